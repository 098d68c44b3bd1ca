"""The teacher does not follow the student."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_LAG = 1e-6  # of the student's way


def constant_teacher(evidence: Evidence) -> Finding | None:
    """The student's weights have moved, and the teacher's have not (less than a millionth as far)."""
    moved = evidence.teacher_moved
    if moved is None or evidence.teacher_fixed or not evidence.student_moved:
        return None
    if moved > _LAG * evidence.student_moved:
        return None
    return Finding(
        "constant teacher",
        {"teacher moved": moved, "student moved": evidence.student_moved, "updates": float(evidence.updates)},
        "Set a momentum below 1 (0.99 for short runs), and see that `after_step` updates the teacher.",
    )

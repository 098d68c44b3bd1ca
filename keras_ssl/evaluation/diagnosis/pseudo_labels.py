"""What goes wrong where a classifier labels its own samples. None of it is wrong early on, so it has to last."""

from collections.abc import Callable

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding, PseudoLabelEvidence

_LARGEST = 0.95
_COMMON = 0.9  # of the images' own labels, where all pseudo-labels may well name one class
_LEAST = 8  # pseudo-labels that say something
_UNUSED = 0.01
_WORSE = 0.05


def one_pseudo_class(evidence: Evidence) -> Finding | None:
    """For `patience` updates 95 % of the pseudo-labels in use have named one class, of at least 8 of them."""

    def holds(look: PseudoLabelEvidence) -> bool:
        if look.largest is None or look.used * look.samples < _LEAST:
            return False
        return look.largest >= _LARGEST and look.largest_label < _COMMON

    now = evidence.pseudo_labels
    if now is None or now.largest is None or not _lasting(evidence, holds):
        return None
    return Finding(
        "pseudo-labels in one class",
        {"largest class": now.largest, "share used": now.used, "updates": float(evidence.patience)},
        "The classifier confirms itself: see that labeled samples of all classes are in every batch "
        "(`keras_ssl.data.from_streams`), raise the threshold, lower `unlabeled_weight`, or take a method that evens "
        "the classes out (FreeMatch, SoftMatch, AdaMatch).",
    )


def no_pseudo_labels(evidence: Evidence) -> Finding | None:
    """For `patience` updates less than 1 % of the pseudo-labels have been used."""
    now = evidence.pseudo_labels
    if now is None or not _lasting(evidence, lambda look: look.used < _UNUSED):
        return None
    return Finding(
        "no pseudo-labels used",
        {"share used": now.used, "updates": float(evidence.patience)},
        "Unlabeled samples teach nothing: lower the threshold, take one that follows the model's confidence "
        "(FreeMatch, FlexMatch, SoftMatch), or begin with an encoder that was pretrained on the same samples.",
    )


def teacher_worse(evidence: Evidence) -> Finding | None:
    """For `patience` updates the teacher has been less accurate than its student, by 5 points and more than chance."""

    def holds(look: PseudoLabelEvidence) -> bool:
        if look.teacher_accuracy is None or look.student_accuracy is None:
            return False
        return look.student_accuracy - look.teacher_accuracy > max(_WORSE, look.samples**-0.5)

    now = evidence.pseudo_labels
    if now is None or now.teacher_accuracy is None or not _lasting(evidence, holds):
        return None
    return Finding(
        "teacher worse than student",
        {
            "teacher's accuracy": now.teacher_accuracy,
            "student's": float(now.student_accuracy or 0.0),
            "updates": float(evidence.patience),
        },
        "It averages over more updates than have been worth it: lower `momentum` (0.99 for short runs).",
    )


def _lasting(evidence: Evidence, holds: Callable[[PseudoLabelEvidence], bool]) -> bool:
    """Whether it holds now and has at every look of the last `patience` updates, with a look that long ago."""
    past = evidence.past_pseudo_labels
    if evidence.pseudo_labels is None or not past or past[0][0] > evidence.updates - evidence.patience:
        return False
    recent = [look for updates, look in past if updates >= evidence.updates - evidence.patience]
    return all(holds(look) for look in [*recent, evidence.pseudo_labels])

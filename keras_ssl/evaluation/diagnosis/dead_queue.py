"""A queue or bank is not filled."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding


def dead_queue(evidence: Evidence) -> Finding | None:
    """A memory of embeddings holds, after updates, exactly what it held when training began."""
    if not evidence.updates or not evidence.unmoved_memories:
        return None
    return Finding(
        "dead queue",
        {"memory": ", ".join(evidence.unmoved_memories), "updates": float(evidence.updates)},
        "See that `after_step` puts the embeddings of each batch into it; until then negatives are random vectors.",
    )

"""The loss is that of guessing."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_NARROW = 0.05
_NEAR = 0.02


def loss_at_chance(evidence: Evidence) -> Finding | None:
    """The loss cannot leave its chance value, or has not for `patience` updates.

    It cannot where chance and the floor are within 5 % of each other: the temperature is so high that near and far look
    alike. It has not where each look of that time found it at the values at chance and at collapse, or between
    them, give or take 2 % of the way to the floor.
    """
    values = [value for value in (evidence.chance, evidence.collapsed) if value is not None]
    if not values or evidence.floor is None:
        return None
    chance = max(values)
    numbers = {"loss": evidence.loss, "chance": chance, "floor": evidence.floor}
    if chance > 0 and chance - evidence.floor < _NARROW * chance:
        return Finding(
            "loss at its chance value",
            numbers,
            "No embedding could do much better: lower the temperature (0.05 to 0.5 is usual).",
        )
    # A floor among them is where a loss should be, whether or not that is also the value at collapse.
    guesses = [value for value in values if value > evidence.floor]
    looks = [*evidence.past, (evidence.updates, evidence.loss)]
    recent = [loss for updates, loss in looks if updates >= evidence.updates - evidence.patience]
    waited = looks[0][0] <= evidence.updates - evidence.patience
    if not guesses or not waited or len(recent) < 2:
        return None
    margin = _NEAR * max(abs(value - evidence.floor) for value in guesses)
    if not all(min(guesses) - margin <= loss <= max(guesses) + margin for loss in recent):
        return None
    return Finding(
        "loss at its chance value",
        {**numbers, "updates": float(evidence.patience)},
        "Nothing is learned: look at the views (do two of an image have anything in common?), try a higher learning "
        "rate or a longer warm-up, and another temperature.",
    )

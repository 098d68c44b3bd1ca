"""Which augmentation should teach which."""

import math
from collections.abc import Mapping

__all__ = ["rank_augmentation_pairs"]


def rank_augmentation_pairs(errors: Mapping[str, float]) -> list[tuple[str, str, float]]:
    """Pairs of an easy and a hard augmentation, by the gap in difficulty between them, widest first.

    The difficulty of an augmentation is the error that a model trained on labels makes on labeled images augmented
    so. Consistency training learns most where the predictions for an easy view teach those for a much harder one.

    Args:
        errors: of each augmentation, by name; finite; the higher the harder.

    Returns:
        `(easy, hard, gap)` for each pair with a gap above 0, where `gap = errors[hard] - errors[easy]`; equal gaps in
        the order of the names.

    Raises:
        ValueError: if there are fewer than two augmentations, or an error is not finite.

    Example:

    >>> rank_augmentation_pairs({"flip": 0.25, "cutout": 0.5, "turn": 1.0})
    [('flip', 'turn', 0.75), ('cutout', 'turn', 0.5), ('flip', 'cutout', 0.25)]

    Reference: Zhou et al., "Boosting Semi-Supervised 2D Human Pose Estimation by Revisiting Data Augmentation and
    Consistency Training", 2024, https://arxiv.org/abs/2402.11566.
    """
    values = {name: float(error) for name, error in errors.items()}
    if len(values) < 2 or not all(math.isfinite(value) for value in values.values()):
        raise ValueError(
            f"`errors` must hold finite errors of at least two augmentations. Received: errors={dict(errors)}"
        )
    pairs = [(easy, hard, values[hard] - values[easy]) for easy in values for hard in values]
    return sorted((pair for pair in pairs if pair[2] > 0), key=lambda pair: (-pair[2], pair[0], pair[1]))

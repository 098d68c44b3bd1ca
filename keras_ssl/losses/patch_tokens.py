"""The check of two sets of patch features of the same images."""

from typing import Any


def check_patches(students: Any, others: Any) -> None:
    """Raises a `ValueError` unless both are `[N, T, width]` of the same images and patches."""
    mine, theirs = tuple(students.shape), tuple(others.shape)
    if len(mine) != 3 or len(theirs) != 3 or mine[:2] != theirs[:2] or mine[1] == 0:
        raise ValueError(
            "Features of patches must be [N, T, D] and [N, T, E], of the same images and patches. "
            f"Received: shapes {mine} and {theirs}"
        )

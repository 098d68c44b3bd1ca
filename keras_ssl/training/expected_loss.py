"""What the loss of an objective should be, in theory."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExpectedLoss:
    """Values to read a loss by; None where theory gives none (the objective's `expected_range` says why).

    Args:
        initial: at chance: where embeddings, all views' and all memories', are random and independent of each other,
            any direction being as likely as any other. An untrained encoder is near it, though not at it: its
            embeddings are more alike than random ones.
        collapsed: at complete collapse: where every embedding is one and the same vector, in memories and teachers too.
        floor: below which no value can lie. Not every floor is within reach.

    Example:

    >>> print(ExpectedLoss(initial=5.541, collapsed=5.541, floor=None))
    chance 5.541, collapsed 5.541
    """

    initial: float | None = None
    collapsed: float | None = None
    floor: float | None = None

    def __str__(self) -> str:
        named = (("chance", self.initial), ("collapsed", self.collapsed), ("floor", self.floor))
        return ", ".join(f"{name} {value:.4g}" for name, value in named if value is not None) or "not known"

    def __mul__(self, factor: float) -> "ExpectedLoss":
        """Of the loss times a factor that is not negative."""
        values = (self.initial, self.collapsed, self.floor)
        return ExpectedLoss(*(None if value is None else factor * value for value in values))

    def __add__(self, other: "ExpectedLoss") -> "ExpectedLoss":
        """Of the sum of two losses."""
        pairs = zip(
            (self.initial, self.collapsed, self.floor), (other.initial, other.collapsed, other.floor), strict=True
        )
        return ExpectedLoss(*(None if a is None or b is None else a + b for a, b in pairs))

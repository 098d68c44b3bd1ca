"""Weights that go together."""

from collections.abc import Iterable

__all__ = ["weight_groups"]

_KINDS = ("model", "layer", "tensor")


def weight_groups(names: Iterable[str], by: str = "layer") -> dict[str, list[str]]:
    """Sorts the names of weights into groups.

    Args:
        names: of `named_weights`.
        by: "model" (one group, ""), "layer" (of the path without the weight's own name, such as `block1_conv`) or
            "tensor" (each name is a group). Defaults to "layer".

    Returns:
        Names by group, both in the order in which they come.

    Raises:
        ValueError: if `by` is none of these.

    Example:

    >>> weight_groups(["conv/kernel", "conv/bias", "bn/gamma"])
    {'conv': ['conv/kernel', 'conv/bias'], 'bn': ['bn/gamma']}
    """
    if by not in _KINDS:
        raise ValueError(f"`by` must be one of {', '.join(_KINDS)}. Received: by={by!r}")
    groups: dict[str, list[str]] = {}
    for name in names:
        group = {"model": "", "layer": name.rpartition("/")[0], "tensor": name}[by]
        groups.setdefault(group, []).append(name)
    return groups

"""The published keys of projectors."""

import re
from collections.abc import Iterable

from keras_ssl.checkpoints.weight_table import VARIABLES, MappedWeight, WeightTable, dense_kernel, unchanged

_LAYER = re.compile(r"projector/(?:(dense|norm)(\d+)|(output|output_norm))/(\w+)")
_OWN = r"projector\.\d+\.(?:weight|bias|running_mean|running_var)"


def projector_table(names: Iterable[str]) -> WeightTable:
    """The table of a projector, a `keras_ssl.layers.MLPHead` under the name `projector`.

    The keys are those of a PyTorch `Sequential` of linear layers, batch norms and activations, which count places
    though they have no weights: `projector.0.weight`, `projector.1.running_mean`, `projector.3.weight`. So the full
    checkpoints of Barlow Twins and VICReg name them. solo-learn's and lightly's projectors have a bias at their end
    that those papers' have not, which is refused as an extra key.

    Args:
        names: of an objective's weights besides its encoder, as from `keras_ssl.hub.head_weights`.

    Raises:
        ValueError: if a name is not one of a projector.

    Example:

    >>> table = projector_table([f"projector/{name}" for name in ("dense1/kernel", "norm1/gamma", "output/kernel")])
    >>> list(table.weights)
    ['projector.0.weight', 'projector.1.weight', 'projector.3.weight']
    """
    matches = {}
    for name in names:
        match = _LAYER.fullmatch(name)
        if match is None or match[4] not in VARIABLES:
            raise ValueError(
                "Of an objective's weights besides its encoder, a projector's can be read and no others. "
                f"Received: name={name!r}"
            )
        matches[name] = match.groups()
    hidden = max((int(number) for _, number, _, _ in matches.values() if number), default=0)
    step = 3 if any(kind == "norm" for kind, _, _, _ in matches.values()) else 2
    weights = {}
    for name, (kind, number, last, variable) in matches.items():
        place = step * (int(number) - 1 if number else hidden) + ("norm" in (kind or last))
        transform = dense_kernel if variable == "kernel" else unchanged
        weights[f"projector.{place}.{VARIABLES[variable]}"] = MappedWeight(name, transform)
    return WeightTable(weights)


def with_projector(table: WeightTable, names: Iterable[str]) -> WeightTable:
    """An encoder's table with that of the projector, whose keys are no longer among those ignored."""
    projector = projector_table(names)
    ignored = tuple(f"(?!{_OWN}$)(?:{pattern})" for pattern in table.ignored)
    return WeightTable({**table.weights, **projector.weights}, ignored, table.renames)

"""Arrays under published names as the weights of an encoder."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import CheckpointError
from keras_ssl.checkpoints.weight_problems import weight_problems
from keras_ssl.checkpoints.weight_table import MappedWeight, WeightTable


def map_weights(
    arrays: Mapping[str, np.ndarray],
    table: WeightTable,
    variables: Mapping[str, Any],
    source: str,
    hint: Callable[[], str] = lambda: "",
) -> dict[str, np.ndarray]:
    """The arrays that a model's weights are to have, of a file's arrays by a table of the family.

    Every key is accounted for: a key of the table that the file lacks, a key of the file that is neither in the
    table nor ignored, two keys of the same weight, and an array of another shape or without fractions are errors.

    Args:
        arrays: of the file, by key, as from `state_dict`.
        table: of the family.
        variables: the model's weights by name, as from `keras_ssl.hub.named_weights`; of each, only the shape
            is used.
        source: names the file in messages.
        hint: called where the weights do not fit; gives sentences for the message, of what would mend it. Defaults to
            none.

    Returns:
        An array of the right shape for each of `variables`, by its name.

    Raises:
        ValueError: if the table does not name each of `variables` once.
        CheckpointError: if the file's weights are not those of the table; the message names keys.

    Example:

    >>> table = WeightTable({"fc.weight": MappedWeight("head/kernel", lambda array: array.T)}, (r"queue.*",))
    >>> arrays = {"fc.weight": np.ones((2, 3)), "queue_ptr": np.zeros(1)}
    >>> map_weights(arrays, table, {"head/kernel": np.zeros((3, 2))}, "moco.pth")["head/kernel"].shape
    (3, 2)
    """
    targets = sorted(weight.name for weight in table.weights.values())
    if targets != sorted(variables):
        problems = {
            "without a key": sorted(variables.keys() - set(targets)),
            "not of the model": sorted(set(targets) - variables.keys()),
            "twice": sorted({name for name in targets if targets.count(name) > 1}),
        }
        raise ValueError(
            f"A table must name each of the model's weights once; {weight_problems(problems)}. "
            f"Received: table of {len(targets)} weights"
        )
    keys, twice = _by_table_key(arrays, table)
    mapped: dict[str, np.ndarray] = {}
    shapes, kinds, spoilt = [], [], []
    for table_key, key in keys.items():
        weight = table.weights[table_key]
        array, shape = arrays[key], tuple(variables[weight.name].shape)
        if array.dtype.kind != "f":
            kinds.append(f"{key} of {array.dtype}")
        elif np.isnan(array).any():
            spoilt.append(key)
        mapped[weight.name] = _transformed(weight, array)
        if mapped[weight.name].shape != shape:
            shapes.append(f"{key} {array.shape} for {weight.name} {shape}")
    used = {*keys.values(), *twice}
    problems = {
        "missing": [key for key in table.weights if key not in keys],
        "extra": [key for key in arrays if key not in used and not _ignored(key, table)],
        "twice": twice,
        "of another shape": shapes,
        "not floating-point": kinds,
        "with NaN": spoilt,
    }
    if any(problems.values()):
        advice = hint() or "Is the encoder made as the file's was?"
        raise CheckpointError(
            f"The file's weights are not those of this encoder; {weight_problems(problems)}. {advice} "
            f"Received: source={source!r}"
        )
    return mapped


def has_all(keys: Iterable[str], table: WeightTable) -> bool:
    """Whether each of the table's weights is among a file's keys, under one of its names."""
    keys = list(keys)
    return len(keys) >= len(table.weights) and len(_by_table_key(keys, table)[0]) == len(table.weights)


def _by_table_key(arrays: Iterable[str], table: WeightTable) -> tuple[dict[str, str], list[str]]:
    """The file's key for each key of the table that it has, and further keys of the same weights."""
    keys: dict[str, str] = {}
    twice = []
    for key in arrays:
        name = key
        for pattern, replacement in table.renames:
            match = re.fullmatch(pattern, name)
            name = match.expand(replacement) if match else name
        if name in keys:
            twice.append(key)
        elif name in table.weights:
            keys[name] = key
    return keys, twice


def _transformed(weight: MappedWeight, array: np.ndarray) -> np.ndarray:
    """The transformed array, or the array itself where it has too few or many dimensions: a wrong shape, too."""
    try:
        return weight.transform(array)
    except ValueError:
        return array


def _ignored(key: str, table: WeightTable) -> bool:
    return any(re.fullmatch(pattern, key) for pattern in table.ignored)

"""The files of whole training runs: encoder, heads and teacher under the names that a method's authors gave them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import CheckpointError
from keras_ssl.checkpoints.projector_table import projector_table
from keras_ssl.checkpoints.vit_table import block_keys, vit_table
from keras_ssl.checkpoints.weight_table import VARIABLES, MappedWeight, WeightTable, dense_kernel, unchanged

_BLOCK = re.compile(r"(\w+_block)(\d+)/(\w+)/(\w+)")


@dataclass(frozen=True)
class RunLayout:
    """Where the file of a training run has the weights of an objective around a vision transformer.

    Names are those of nested dicts and their keys, joined by dots, without `module.`, which parallel training puts
    before them: `student.backbone.cls_token`.

    Args:
        encoder: what stands before the keys of the student's encoder.
        layers: what stands before the keys of each other layer, or is the key of a weight, by the name that it has in
            the objective. A layer `x_block1`, `x_block2` ... is found by `x_block`, and theirs count from 0.
        teacher: what stands before the keys of the teacher's encoder; "" where there is no teacher.
        teacher_layers: as `layers`, of the teacher's copies of them.
        ones: patterns of keys whose numbers must all be 1, such as the lengths of normalized weights.
        same: keys that must hold what other keys hold, by pattern; groups of it can be named.
        ignored: patterns of keys that the objective has no place for.

    Example:

    >>> layout = RunLayout("student.backbone", {"head": "student.head.fc"})
    >>> tree = {"student": {"module.head.fc.weight": np.ones((2, 3), "float32")}, "optimizer": {"step": np.ones(1)}}
    >>> list(layout.arrays(tree))
    ['student.head.fc.weight']
    """

    encoder: str
    layers: Mapping[str, str] = field(default_factory=dict)
    teacher: str = ""
    teacher_layers: Mapping[str, str] = field(default_factory=dict)
    ones: tuple[str, ...] = ()
    same: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()

    def arrays(self, tree: Any) -> dict[str, np.ndarray]:
        """The arrays of a file that stand below what the layout names.

        Args:
            tree: nested dicts, as from `read_checkpoint`.

        Raises:
            CheckpointError: if a key that must hold ones, or what another key holds, does not.
        """
        prefixes = (self.encoder, self.teacher, *self.layers.values(), *self.teacher_layers.values())
        roots = {prefix.partition(".")[0] for prefix in prefixes if prefix}
        found = {name: array for name, array in _flat(tree) if name.partition(".")[0] in roots}
        for name, array in found.items():
            if any(re.fullmatch(pattern, name) for pattern in self.ones) and np.abs(array - 1.0).max() > 1e-3:
                raise CheckpointError(
                    f"The weights of {name} must be 1: this library's prototypes have length 1. "
                    f"Received: numbers between {array.min():.4g} and {array.max():.4g}"
                )
            for pattern, other in self.same:
                match = re.fullmatch(pattern, name)
                if match and not np.array_equal(array, found.get(match.expand(other), np.empty(0))):
                    raise CheckpointError(
                        f"The objective has one head where the file has two. Received: {name} and {match.expand(other)}"
                    )
        return found

    def table(self, encoder: Mapping[str, Any], others: Mapping[str, Any], teacher_name: str) -> WeightTable:
        """The table of an objective.

        Args:
            encoder: the encoder's weights by name, as from `keras_ssl.hub.named_weights`.
            others: those of the objective besides, as from `keras_ssl.hub.head_weights`.
            teacher_name: the name of the encoder inside the teacher.

        Raises:
            ValueError: if the layout says nothing of a weight.
        """
        weights = {f"{self.encoder}.{key}": weight for key, weight in vit_table(encoder).weights.items()}
        before = f"teacher/{teacher_name}/"
        copies = {name.removeprefix(before): name for name in others if name.startswith(before)}
        for key, weight in vit_table({short: others[name] for short, name in copies.items()}).weights.items():
            weights[f"{self.teacher}.{key}"] = MappedWeight(copies[weight.name], weight.transform)
        rest = [name for name in others if not name.startswith(before)]
        mine = {name: name for name in rest if not name.startswith("teacher/")}
        theirs = {name.removeprefix("teacher/"): name for name in rest if name.startswith("teacher/")}
        found = {**_keys(mine, self.layers), **_keys(theirs, self.teacher_layers)}
        if unknown := [name for name in rest if name not in found]:
            raise ValueError(f"`others` must be weights that the layout names. Received: {', '.join(unknown)}")
        weights |= {key: MappedWeight(name, transform) for name, (key, transform) in found.items()}
        return WeightTable(weights, (*self.ones, *(pattern for pattern, _ in self.same), *self.ignored))


def _keys(names: Mapping[str, str], layers: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """By the weights' whole names, their keys and what makes them; without those that the layout does not know.

    Args:
        names: the whole names, by those that `layers` uses.
        layers: as of `RunLayout`.
    """
    projector = [short for short in names if short.startswith("projector/") and "projector" in layers]
    found = {
        names[weight.name]: (f"{layers['projector']}.{key.removeprefix('projector.')}", weight.transform)
        for key, weight in (projector_table(projector).weights.items() if projector else ())
    }
    for short, name in names.items():
        key = None if name in found else _published(short, layers)
        if key is not None:
            found[name] = key
    return found


def _flat(tree: Any, before: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array of floats in nested dicts, by the keys on the way to it."""
    for key, value in tree.items() if isinstance(tree, Mapping) else ():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, np.ndarray):
            yield re.sub(r"(^|\.)module\.", r"\1", name), value


def _published(name: str, layers: Mapping[str, str]) -> tuple[str, Any] | None:
    """The key of a weight and what makes the weight of it; None where the layout does not know the layer."""
    if name in layers:
        return layers[name], _vector
    block = _BLOCK.fullmatch(name)
    if block is not None and block[1] in layers:
        key, transform = block_keys(block[3], block[4])
        return f"{layers[block[1]]}.{int(block[2]) - 1}.{key}", transform
    layer, _, variable = name.rpartition("/")
    if layer not in layers or variable not in VARIABLES:
        return None
    key = layers[layer]
    # Where the layout names the weight itself, as `weight_v`, there is nothing to add.
    return key if key.endswith(
        "_v"
    ) else f"{key}.{VARIABLES[variable]}", dense_kernel if variable == "kernel" else unchanged


def _vector(array: np.ndarray) -> np.ndarray:
    """An array whose axes but the last are of length 1, as a vector."""
    if array.ndim and array.size != array.shape[-1]:
        raise ValueError(f"`array` must have one axis longer than 1, the last. Received: shape={array.shape}")
    return array.reshape(-1)

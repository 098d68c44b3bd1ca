"""The hidden units of a model in groups: what a permutation or a copy of units must touch."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_ssl.layers.layer_scale import LayerScale
from keras_ssl.layers.rms_norm import RMSNorm
from keras_ssl.weights.named_weights import named_weights

KERNELS = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
MIXERS = (keras.layers.LayerNormalization, keras.layers.RMSNormalization, RMSNorm)
CHANNEL_WISE = (keras.layers.BatchNormalization, keras.layers.PReLU, LayerScale, *MIXERS)
SUMS = tuple(getattr(keras.layers, name) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"))
_OPERATIONS = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")  # of `keras.ops`, which has no public classes
_SPATIAL = ("MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling", "ZeroPadding", "Cropping")
_KEEPERS = (
    *(f"{name}{rank}D" for name in (*_SPATIAL, "UpSampling", "SpatialDropout") for rank in (1, 2, 3)),
    *("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "Identity", "ActivityRegularization"),
    *("ReLU", "LeakyReLU", "ELU"),
)
KEEPERS = tuple(getattr(keras.layers, name) for name in _KEEPERS)


@dataclass(frozen=True)
class UnitAxis:
    """An axis of a weight along which units lie; `[places, units]` in one where a map was flattened.

    Attributes:
        weight: its name of `named_weights`.
        axis: from 0.
        places: how often the units follow each other; 1 without `Flatten`.
        role: "out" where the weight makes or scales the units, "statistic" where it holds their moving mean or
            variance, "in" where it reads them.
    """

    weight: str
    axis: int
    places: int
    role: str

    def indices(self, units: np.ndarray, size: int) -> np.ndarray:
        """Where the chosen of `size` units lie on the axis, at all places."""
        return (np.arange(self.places)[:, None] * size + units).ravel()


@dataclass(frozen=True)
class UnitGroup:
    """Units that keep one order in all weights that touch them.

    Attributes:
        name: the layer that makes them, the first where they are added up.
        size: number of units.
        axes: of weights that touch them.
        fixed: what fixes their number and order, such as "the inputs"; "" where nothing does.
        shown: whether outputs of the model are these units.
        mixed: a layer that normalizes over the units; "" where there is none.
    """

    name: str
    size: int
    axes: tuple[UnitAxis, ...]
    fixed: str
    shown: bool
    mixed: str


@dataclass(frozen=True)
class UnitStructure:
    """Groups, and chains: weights of a layer that makes units, and of those that scale them before they are added to
    others, in the order of the model."""

    groups: tuple[UnitGroup, ...]
    chains: tuple[tuple[str, ...], ...]

    def free(self) -> dict[str, UnitGroup]:
        """Groups by name whose units may take any order: neither fixed nor shown."""
        return {group.name: group for group in self.groups if not group.fixed and not group.shown}


def unit_structure(model: keras.Model) -> UnitStructure:
    """Finds the groups of a model's units by walking its graph.

    Args:
        model: a built Functional or Sequential model, which may hold others.

    Raises:
        ValueError: if it is none, or a layer has weights of whose units nothing is known.

    Example:

    >>> groups = unit_structure(keras_ssl.encoders.ConvNet((4, 8))).groups
    >>> [(group.name, group.size, group.fixed, group.shown) for group in groups]
    [('the inputs', 3, 'the inputs', False), ('block1_conv', 4, '', False), ('block2_conv', 8, '', True)]
    """
    return _Walk(model).structure()


@dataclass(frozen=True)
class _Units:
    """The last axis of a tensor: units of a group, `places` times, and the chain that they come from."""

    group: int
    places: int = 1
    chain: int | None = None


class _Walk:
    def __init__(self, model: keras.Model) -> None:
        self.model = model
        if not isinstance(model, keras.Model) or not model.built or graph_of(model) is None:
            raise ValueError(
                f"`model` must be a built Functional or Sequential model. Received: model={type(model).__name__}"
            )
        self.names = {id(variable): name for name, variable in named_weights(model).items()}
        self.parents: list[int] = []
        self.sizes: list[int] = []
        self.fixed: dict[int, str] = {}
        self.mixed: dict[int, str] = {}
        self.axes: list[tuple[int, UnitAxis]] = []
        self.chains: list[list[str]] = []
        self.seen: dict[int, tuple[_Units, _Units]] = {}

    def structure(self) -> UnitStructure:
        graph = graph_of(self.model)
        outputs = self.through(graph, [self.fresh(tensor, "the inputs") for tensor in graph.inputs])
        order = {name: place for place, name in enumerate(self.names.values())}
        left = sorted(set(order).difference(*self.chains), key=order.__getitem__)
        if left:
            raise ValueError(
                "`model` must reach its weights by its graph. Received: "
                f"model={self.model.name!r}; weights outside: {', '.join(left[:5])}"
            )
        roots = [self.root(group) for group, _ in self.axes]
        shown = {self.root(units.group) for units in outputs}
        groups: list[tuple[int, UnitGroup]] = []
        for root in dict.fromkeys(roots):
            axes = [axis for (_, axis), of in zip(self.axes, roots, strict=True) if of == root]
            axes.sort(key=lambda axis: (order[axis.weight], axis.axis))
            makers = [axis.weight for axis in axes if axis.role == "out"]
            fixed = self.fixed.get(root, "")
            name = makers[0].rpartition("/")[0] if makers else fixed
            mixed = self.mixed.get(root, "")
            group = UnitGroup(name, self.sizes[root], tuple(axes), fixed, root in shown, mixed)
            groups.append((order[makers[0]] if makers else -1, group))
        chains = sorted((tuple(chain) for chain in self.chains if chain), key=lambda chain: order[chain[0]])
        groups.sort(key=lambda pair: pair[0])
        return UnitStructure(tuple(group for _, group in groups), tuple(chains))

    def through(self, graph: Any, inputs: list[_Units]) -> list[_Units]:
        """The units of a graph's outputs."""
        found = {id(tensor): units for tensor, units in zip(graph.inputs, inputs, strict=True)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if not node.is_input:
                    made = self.operation(node, [found[id(tensor)] for tensor in node.input_tensors])
                    found |= {id(tensor): units for tensor, units in zip(node.outputs, made, strict=True)}
        return [found[id(tensor)] for tensor in graph.outputs]

    def operation(self, node: Any, inputs: list[_Units]) -> list[_Units]:
        """The units of the tensors that an operation makes."""
        layer, shape = node.operation, node.input_tensors[0].shape
        last = getattr(layer, "data_format", "channels_last") in ("channels_last", None)
        if graph_of(layer) is not None:
            return self.through(graph_of(layer), inputs)
        if isinstance(layer, KERNELS) and last and getattr(layer, "groups", 1) == 1 and self.only(layer, "kernel bias"):
            return [self.kernel(layer, inputs[0])]
        if isinstance(layer, CHANNEL_WISE) and _over_last(layer, len(shape)):
            return [self.channel_wise(layer, inputs[0])]
        if getattr(layer, "weights", ()):
            known = "Dense, Conv1D to Conv3D of one group, normalizations over the last axis, PReLU and LayerScale"
            raise ValueError(
                f"`model` must have weights in these layers only: {known}, channels last. Received: "
                f"model={self.model.name!r}; layer {layer.name} ({type(layer).__name__})"
            )
        if isinstance(layer, keras.layers.Flatten) and last and len(shape) > 1 and None not in shape[1:-1]:
            return [_Units(inputs[0].group, inputs[0].places * int(np.prod(shape[1:-1])), inputs[0].chain)]
        if _adds(layer) and len(inputs) > 1 and all(t.shape[-1] == shape[-1] for t in node.input_tensors):
            for units in inputs[1:]:
                self.join(inputs[0], units, layer.name)
            return [_Units(inputs[0].group, inputs[0].places)]
        if len(inputs) == 1 and last and _keeps(layer):
            return inputs
        for units in inputs:  # what is not known may tell units apart: they stay where they are
            self.fixed.setdefault(self.root(units.group), layer.name)
        return [self.fresh(tensor, layer.name) for tensor in node.outputs]

    def kernel(self, layer: Any, units: _Units) -> _Units:
        if id(layer) in self.seen:
            self.join(self.seen[id(layer)][0], units, layer.name)
            return self.seen[id(layer)][1]
        made = _Units(self.new(layer.kernel.shape[-1]), 1, len(self.chains))
        self.chains.append([])
        rank = len(layer.kernel.shape)
        self.touch(layer.kernel, rank - 2, units, "in")
        self.touch(layer.kernel, rank - 1, made, "out")
        if layer.bias is not None:
            self.touch(layer.bias, 0, made, "out")
        self.chains[-1] += [self.names[id(variable)] for variable in layer.weights]
        if not _elementwise(layer.activation):
            self.fixed[made.group] = layer.name
        self.seen[id(layer)] = units, made
        return made

    def channel_wise(self, layer: Any, units: _Units) -> _Units:
        if isinstance(layer, MIXERS):
            self.mixed.setdefault(self.root(units.group), layer.name)
        if id(layer) in self.seen:
            self.join(self.seen[id(layer)][0], units, layer.name)
            return units
        for variable in layer.weights:
            if variable.shape[-1] == self.sizes[self.root(units.group)] * units.places:
                role = "statistic" if variable.name.startswith(("moving_", "renorm_")) else "out"
                self.touch(variable, len(variable.shape) - 1, units, role)
        if units.chain is None:
            units = _Units(units.group, units.places, len(self.chains))
            self.chains.append([])
        self.chains[units.chain or 0] += [self.names[id(variable)] for variable in layer.weights]
        self.seen[id(layer)] = units, units
        return units

    def only(self, layer: Any, names: str) -> bool:
        return all(variable.name in names.split() for variable in layer.weights)

    def touch(self, variable: Any, axis: int, units: _Units, role: str) -> None:
        self.axes.append((units.group, UnitAxis(self.names[id(variable)], axis, units.places, role)))

    def new(self, size: int) -> int:
        self.parents.append(len(self.parents))
        self.sizes.append(size)
        return self.parents[-1]

    def fresh(self, tensor: Any, reason: str) -> _Units:
        """Units of whose order nothing is known."""
        group = self.new((tensor.shape[-1] if len(tensor.shape) else None) or 0)
        self.fixed[group] = reason
        return _Units(group)

    def root(self, group: int) -> int:
        while self.parents[group] != group:
            group = self.parents[group]
        return group

    def join(self, a: _Units, b: _Units, name: str) -> None:
        """Makes one group of two; units that lie differently are fixed, each in their own."""
        first, second = sorted((self.root(a.group), self.root(b.group)))
        if a.places != b.places or self.sizes[first] != self.sizes[second]:
            for root in (first, second):
                self.fixed.setdefault(root, name)
        elif first != second:
            self.parents[second] = first
            for reasons in (self.fixed, self.mixed):
                if second in reasons:
                    reasons.setdefault(first, reasons.pop(second))


def graph_of(layer: Any) -> Any:
    """The graph of a Functional or Sequential model; None of anything else."""
    layer = getattr(layer, "_functional", None) or layer
    return layer if hasattr(layer, "_nodes_by_depth") else None


def _over_last(layer: Any, rank: int) -> bool:
    """Whether a layer's weights lie along the last axis."""
    axes = getattr(layer, "axis", -1)
    axes = axes if isinstance(axes, list | tuple) else [axes]
    return -1 in axes or rank - 1 in axes


def _adds(layer: Any) -> bool:
    return isinstance(layer, SUMS) or (
        not isinstance(layer, keras.layers.Layer) and type(layer).__name__ in _OPERATIONS
    )


def _keeps(layer: Any) -> bool:
    """Whether a layer treats all units alike, each by itself."""
    if isinstance(layer, keras.layers.Activation):
        return _elementwise(layer.activation)
    return isinstance(layer, KEEPERS)


def _elementwise(function: Any) -> bool:
    """Whether a function of a tensor gives each number what it would get alone."""
    numbers = np.linspace(-2.0, 3.0, 6, dtype="float32")
    try:
        long, short = (keras.ops.convert_to_numpy(function(x)) for x in (numbers[None], numbers.reshape(3, 2)))
    except Exception:  # one that needs another shape
        return False
    return long.size == short.size == 6 and bool(np.allclose(long.ravel(), short.ravel()))

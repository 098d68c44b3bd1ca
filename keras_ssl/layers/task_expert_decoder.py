"""A decoder of several tasks by experts that each task mixes for each sample."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["TaskExpertDecoder"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class TaskExpertDecoder(Configured, keras.layers.Layer):
    r"""Features for each of several dense tasks, put together from experts by gates of the sample.

    It takes the maps of one or more layers of a backbone, all of one height and width. From the map x of each layer,
    E experts make task-generic maps `e_i = gelu(conv3x3_i(x))`. A task t with the memory `M_t` gets

    .. math:: g_t = \mathrm{softmax}_i(W_t\, \bar x), \qquad
        f_t = \sum_i g_{ti}\, e_i + \sigma(w_t \cdot \bar x)\, M_t, \qquad M_t \leftarrow M_t + \mathrm{conv1x1}_t(f_t)

    with `\bar x` the mean of x over places, so that every sample has gates of its own. The memory starts at zero,
    or where the caller says, and is the expert that carries a task's features from layer to layer. The output of a task
    is its `f_t` at the last layer. With one expert all tasks share one decoder, but for their memories.

    Args:
        tasks: number of tasks.
        experts: number of experts E at each layer. Defaults to 5.
        width: of experts, memories and outputs. Defaults to 64.
        memory: whether there is a memory. Defaults to True; with a single map and no memory given it makes no
            difference to the output.
        **kwargs: `name`, `dtype`.

    Input: a map `[N, H, W, C]` or a list of them, and optionally `memories`, a map `[N, H, W, width]` for each task.
    Output: a list with a map `[N, H, W, width]` for each task.

    The gates of the experts sum to 1, and the memory has a gate of its own in (0, 1), so that an empty memory takes
    nothing from the experts. This split, the gates' input and the form of the experts are choices made here; the
    abstract leaves them open.

    Raises:
        ValueError: if an argument is no positive integer, or the maps, or the memories, do not fit.

    Example:

    >>> decoder = TaskExpertDecoder(tasks=2, experts=3, width=8)
    >>> [tuple(made.shape) for made in decoder([keras.ops.ones((1, 4, 4, 6)), keras.ops.ones((1, 4, 4, 5))])]
    [(1, 4, 4, 8), (1, 4, 4, 8)]

    Reference:
        Ye & Xu, "TaskExpert: Dynamically Assembling Multi-Task Representations with Memorial Mixture-of-Experts",
        ICCV 2023, https://arxiv.org/abs/2307.15324.
    """

    def __init__(self, tasks: int, experts: int = 5, width: int = 64, memory: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tasks = check_integer("tasks", tasks, 1)
        self.experts = check_integer("experts", experts, 1)
        self.width = check_integer("width", width, 1)
        self.memory = bool(memory)

    def build(self, input_shape: Any) -> None:
        shapes = input_shape if isinstance(input_shape[0], tuple | list) else [input_shape]
        policy = self.dtype_policy
        self.expert_layers, self.gate_layers, self.memory_gates, self.memory_updates = [], [], [], []
        for level, shape in enumerate(shapes, start=1):
            pooled, made = (None, shape[-1]), (None, None, None, self.width)
            # One convolution makes all experts of a layer: its filters, E times `width`, in the order of the experts.
            expert = keras.layers.Conv2D(
                self.experts * self.width,
                3,
                padding="same",
                data_format="channels_last",
                dtype=policy,
                name=f"experts{level}",
            )
            expert.build((None, None, None, shape[-1]))
            gate = keras.layers.Dense(self.tasks * self.experts, dtype=policy, name=f"gates{level}")
            gate.build(pooled)
            self.expert_layers.append(expert)
            self.gate_layers.append(gate)
            if not self.memory:
                continue
            memory_gate = keras.layers.Dense(self.tasks, dtype=policy, name=f"memory_gates{level}")
            memory_gate.build(pooled)
            self.memory_gates.append(memory_gate)
            if level == len(shapes):
                continue  # nobody reads what the last layer would write
            for task in range(1, self.tasks + 1):
                update = keras.layers.Dense(self.width, dtype=policy, name=f"memory{level}_{task}")
                update.build(made)
                self.memory_updates.append(update)  # in one row: Keras saves no layers of lists in lists

    def gates(self, x: Tensor, level: int = 0) -> Tensor:
        """The gates of the experts of a layer, float32 `[N, tasks, experts]`: over the experts they sum to 1."""
        ops = keras.ops
        logits = ops.cast(self.gate_layers[level](ops.mean(x, axis=(1, 2))), "float32")
        return ops.softmax(ops.reshape(logits, (-1, self.tasks, self.experts)), axis=2)

    def call(self, maps: Tensor | Sequence[Tensor], memories: Sequence[Tensor] | None = None) -> list[Tensor]:
        ops = keras.ops
        maps = list(maps) if isinstance(maps, list | tuple) else [maps]
        self._check(maps, memories)
        held: list[Tensor | None] = [None] * self.tasks if memories is None else list(memories)
        made: list[Tensor] = []
        for level, x in enumerate(maps):
            made = []
            experts = keras.activations.gelu(self.expert_layers[level](x))
            experts = ops.reshape(experts, (-1, *x.shape[1:3], self.experts, self.width))
            gates = ops.cast(self.gates(x, level), experts.dtype)
            shares = None
            if self.memory:
                shares = ops.sigmoid(self.memory_gates[level](ops.mean(x, axis=(1, 2))))
            for task in range(self.tasks):
                mixed = ops.sum(experts * gates[:, task, None, None, :, None], axis=3)
                memory = held[task]
                if shares is not None and memory is not None:
                    mixed = mixed + shares[:, task, None, None, None] * ops.cast(memory, mixed.dtype)
                made.append(mixed)
                if self.memory and level < len(maps) - 1:
                    written = self.memory_updates[level * self.tasks + task](mixed)
                    held[task] = written if memory is None else ops.cast(memory, written.dtype) + written
        return made

    def _check(self, maps: Sequence[Tensor], memories: Sequence[Tensor] | None) -> None:
        shapes = [tuple(x.shape) for x in maps]
        if any(len(shape) != 4 or shape[1:3] != shapes[0][1:3] for shape in shapes):
            raise ValueError(f"The maps must be [N, H, W, C] of one height and width. Received: shapes {shapes}")
        if len(maps) != len(self.expert_layers):
            raise ValueError(
                f"There must be as many maps as the layer was built for, {len(self.expert_layers)}. "
                f"Received: {len(maps)} maps"
            )
        if memories is None:
            return
        found = [tuple(memory.shape[1:]) for memory in memories]
        if not self.memory or found != [(*shapes[0][1:3], self.width)] * self.tasks:
            raise ValueError(
                f"`memories` must be {self.tasks} maps {(*shapes[0][1:3], self.width)}, with `memory=True`. "
                f"Received: shapes {found}, memory={self.memory}"
            )

    def compute_output_shape(self, input_shape: Any) -> list[tuple[int | None, ...]]:
        shape = input_shape[0] if isinstance(input_shape[0], tuple | list) else input_shape
        return [(*shape[:3], self.width)] * self.tasks

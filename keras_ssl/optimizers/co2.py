"""Workers that train alone, and average while they go on."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.optimizers.arguments import check_interval
from keras_ssl.optimizers.around_inner import AroundInner
from keras_ssl.typing import Tensor

__all__ = ["CO2"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class CO2(AroundInner):
    """Local steps by an inner optimizer, and every `period` steps an outer step of momentum, one round late.

    A round begins with the same weights `s` on all workers. Each makes `period` steps of the inner optimizer. The mean
    over workers of the weights at the end of round t, `a_t`, takes as long as the next round to arrive, so that no
    worker waits. At the end of round t, with `d = s_{t-1} - a_{t-1}`, the way of the round before:

        gap = 1 + ||s_t - s_{t-1}|| / ||d||                (staleness gap; 1 with gap_penalty=False)
        m = clip(outer_momentum * m + d / gap, -clip, clip)
        s_{t+1} = s_t - outer_learning_rate * m             (the weights with which all workers begin)

    The way of round t itself is not lost: it arrives a round later. The first round ends where it began. With
    `delay=False` the average is there at once, `d = s_t - a_t` and the gap is 1: local SGD with slow momentum; with
    `period=1`, `outer_momentum=0` and `outer_learning_rate=1` that is the inner optimizer. Norms are those of each
    variable. State of the inner optimizer stays with its worker.

    The workers are simulated: with `workers=W` every variable holds the weights of all of them, `[W, ...]`, equal at
    the start, and its gradient holds each worker's own (map the loss over the first axis). Inner optimizers that work
    entry by entry, such as SGD and Adam, then treat each worker as if it were alone. With `workers=None` the variables
    are those of one worker, as any model has them.

    Memory in float32: 12 bytes for each weight of one worker (start, momentum, pending average; 8 with `delay=False`)
    beside the inner optimizer's own.

    Args:
        optimizer: the inner optimizer or its name. Its learning rate, weight decay and clipping are taken over; it must
            not be used elsewhere. Defaults to "sgd".
        period: local steps in a round, a positive integer. Defaults to 8.
        outer_learning_rate: of the outer step, at least 0. Defaults to 1.
        outer_momentum: decay of the outer momentum, in [0, 1). Defaults to 0.5.
        clip: bound on every entry of the outer momentum, positive; None (default) is no bound. In the authors' released
            code the result of this clipping is dropped; here it is used.
        gap_penalty: whether the stale way is divided by the gap. Defaults to True.
        delay: whether the average arrives one round late. Defaults to True.
        workers: number of simulated workers along the first axis, or None (default).
        name: name of the optimizer. Defaults to "co2".
        **kwargs: `use_ema`, `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps`, as for `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if an argument is out of range, the inner optimizer has options that belong here (moving averages,
            loss scale, gradient accumulation), or a variable has no axis of `workers`.

    Example:

    >>> w = keras.Variable([[1.0], [1.0]])  # one weight, two workers
    >>> optimizer = CO2(keras.optimizers.SGD(0.1), period=1, outer_momentum=0.0, delay=False, workers=2)
    >>> optimizer.apply([keras.ops.array([[1.0], [3.0]])], [w])
    >>> keras.ops.convert_to_numpy(w).astype("float64").round(4).tolist()  # both made the mean step of 0.1 and 0.3
    [[0.8], [0.8]]

    Reference: Sun et al., "CO2: Efficient Distributed Training with Full Communication-Computation Overlap", ICLR 2024,
    https://arxiv.org/abs/2401.16265. The paper divides by a staleness gap; its form here, the distance that the start
    of the rounds has moved since the average was launched, in lengths of the way itself, is this library's choice.
    """

    def __init__(
        self,
        optimizer: Any = "sgd",
        period: int = 8,
        outer_learning_rate: float = 1.0,
        outer_momentum: float = 0.5,
        clip: float | None = None,
        gap_penalty: bool = True,
        delay: bool = True,
        workers: int | None = None,
        name: str = "co2",
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, name, **kwargs)
        self.period = check_integer("period", period, 1)
        self.outer_learning_rate = check_interval("outer_learning_rate", outer_learning_rate, "[0, inf)")
        self.outer_momentum = check_interval("outer_momentum", outer_momentum, "[0, 1)")
        self.clip = None if clip is None else check_interval("clip", clip, "(0, inf)")
        self.gap_penalty, self.delay = bool(gap_penalty), bool(delay)
        self.workers = None if workers is None else check_integer("workers", workers, 1)

    def build(self, variables: list[Any]) -> None:
        """Builds the inner optimizer, and creates start, momentum and pending average of each variable."""
        if self.built:
            return
        for variable in variables:
            if self.workers is not None and (not variable.shape or variable.shape[0] != self.workers):
                raise ValueError(
                    f"Variables must hold the weights of {self.workers} workers along their first axis. "
                    f"Received: workers={self.workers}, shape={tuple(variable.shape)}"
                )
        super().build(variables)
        self.starts: list[Any] = []
        self.outer_momentums: list[Any] = []
        self.pending: list[Any] = []
        for number, variable in enumerate(variables):
            shape = variable.shape if self.workers is None else variable.shape[1:]
            kinds = [(self.starts, "start"), (self.outer_momentums, "outer_momentum")]
            for kept, kind in [*kinds, (self.pending, "pending")] if self.delay else kinds:
                kept.append(self.add_variable(shape, name=f"{kind}_{number}"))

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """A local step, and at the end of a round the outer one."""
        ops = keras.ops
        number = self._get_variable_index(variable)
        place = ops.mod(ops.cast(self.iterations, "int32"), self.period)
        start = ops.where(ops.equal(place, 0), self._mean(variable), _read(self.starts[number]))
        self.assign(self.starts[number], start)
        self.inner_step(gradient, variable, learning_rate)

        ends = ops.equal(place, self.period - 1)
        momentum = _read(self.outer_momentums[number])
        way = start - self._mean(variable)
        if self.delay:
            arriving = _read(self.pending[number])
            self.assign(self.pending[number], ops.where(ends, way, arriving))
            # The start of this round lies one outer step of the momentum as it was from that of the round before.
            way = arriving / self._gap(self.outer_learning_rate * momentum, arriving) if self.gap_penalty else arriving
        moved = self.outer_momentum * momentum + way
        if self.clip is not None:
            moved = ops.clip(moved, -self.clip, self.clip)
        self.assign(self.outer_momentums[number], ops.where(ends, moved, momentum))
        begin = start - self.outer_learning_rate * moved
        if self.workers is not None:
            begin = ops.broadcast_to(begin[None], variable.shape)
        self.assign(variable, ops.where(ends, ops.cast(begin, variable.dtype), _read(variable)))

    def _mean(self, variable: Any) -> Tensor:
        value = keras.ops.cast(_read(variable), "float32")
        return value if self.workers is None else keras.ops.mean(value, axis=0)

    @staticmethod
    def _gap(moved: Tensor, way: Tensor) -> Tensor:
        ops = keras.ops
        square = ops.sum(ops.square(way))
        defined = square > 0.0
        ratio = ops.sqrt(ops.sum(ops.square(moved)) / ops.where(defined, square, 1.0))
        return 1.0 + ops.where(defined, ratio, 0.0)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            period=self.period,
            outer_learning_rate=self.outer_learning_rate,
            outer_momentum=self.outer_momentum,
            clip=self.clip,
            gap_penalty=self.gap_penalty,
            delay=self.delay,
            workers=self.workers,
        )
        return config


def _read(variable: Any) -> Tensor:
    """The value of a variable as it is now: a tensor that later assignments do not change."""
    return keras.ops.add(keras.ops.convert_to_tensor(variable), 0)

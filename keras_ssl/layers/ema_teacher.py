"""The momentum teacher: a copy of the student whose weights follow the student's slowly."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, ClassVar
from zlib import crc32

import keras
import numpy as np

from keras_ssl.layers.drop_path import DropPath
from keras_ssl.layers.state_layer import Plan, StateLayer, check_full_precision
from keras_ssl.schedules.cosine_momentum import cosine_momentum
from keras_ssl.typing import Tensor


def _copy(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A layer of the same configuration and the same weights, sharing nothing with `layer`."""
    try:
        if not layer.built:
            raise ValueError("it is not built")
        twin = type(layer).from_config(layer.get_config())
        if not twin.built:
            twin.build_from_config(layer.get_build_config())
        twin.set_weights(layer.get_weights())
    except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            "A momentum teacher needs a student that can be rebuilt from its `get_config()`. "
            f"Received: {layer.name} of type {type(layer).__name__} ({error})"
        ) from error
    return twin


@keras.saving.register_keras_serializable(package="keras_ssl")
class EMATeacher(StateLayer):
    """Runs copies of the student's layers, one after the other; `update` moves their weights towards the student's.

    `teacher = m * teacher + (1 - m) * student`, with `m` rising along a cosine from `momentum` to `final_momentum`
    over the planned number of updates. The teacher receives no gradient. Its batch normalization normalizes by the
    batch and keeps moving statistics of its own (as in MoCo and BYOL): only trainable weights are averaged, unless
    `average_statistics` is set. It drops no paths (`DropPath`), also in training, as in DINO.

    Args:
        modules: the student's layers, built, in the order in which they are applied.
        momentum: m at the start, in [0, 1]. Defaults to `0.996`.
        final_momentum: m at the planned end; None (default) keeps `momentum`.
        average_statistics: whether non-trainable weights (moving statistics) are averaged too. Defaults to False.

    Raises:
        ValueError: if a momentum lies outside [0, 1] or a module cannot be copied.

    Reference:
        Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020; He et al., "Momentum Contrast", CVPR 2020.
    """

    from_batch: ClassVar[bool] = False

    def __init__(
        self,
        modules: Sequence[keras.layers.Layer],
        momentum: float = 0.996,
        final_momentum: float | None = None,
        average_statistics: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("momentum", momentum), ("final_momentum", final_momentum)):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"`{name}` must lie in [0, 1]. Received: {name}={value}")
        self.momentum = momentum
        self.final_momentum = final_momentum
        self.average_statistics = average_statistics
        fixed = momentum == 1 and final_momentum in (None, 1)
        for module in () if fixed else modules:
            check_full_precision(module, "A momentum teacher")
        self.modules = [_copy(module) for module in modules]
        # Which weights learn is remembered before they are frozen. They are frozen one by one: `trainable = False`
        # on the layer would also put its batch normalization into inference mode.
        self._averaged = [
            [weight.trainable or average_statistics for weight in module.weights] for module in self.modules
        ]
        for module in self.modules:
            for weight in module.weights:
                weight.trainable = False
            for layer in module._flatten_layers():
                if isinstance(layer, DropPath):
                    layer.rate = 0.0
        self._as_made = self._fingerprint()
        self.built = True

    @keras.layers.Layer.trainable.setter  # type: ignore[untyped-decorator]
    def trainable(self, value: bool) -> None:
        # Keras hands the flag down to every weight; those of a teacher stay frozen whatever happens to the model.
        self._trainable = bool(value)

    @property
    def averaged_weights(self) -> list[keras.Variable]:
        """The weights that follow the student's."""
        return [
            weight
            for module, averaged in zip(self.modules, self._averaged, strict=True)
            for weight, follows in zip(module.weights, averaged, strict=True)
            if follows
        ]

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        for module in self.modules:
            inputs = module(inputs, training=training)
        return keras.ops.stop_gradient(inputs)

    def update(
        self,
        modules: Sequence[keras.layers.Layer],
        count: Tensor,
        total: Tensor,
        updated: Tensor | bool = True,
    ) -> Tensor:
        """Moves the teacher's weights towards those of `modules`.

        Args:
            modules: the student's layers, in the order given at construction.
            count: number of optimizer updates made so far.
            total: planned number of updates; 0 where it is unknown (the momentum then stays at its start).
            updated: whether this step updated the student; where not, the teacher stands still.

        Returns:
            The momentum of the schedule, a scalar to log.
        """
        final = self.momentum if self.final_momentum is None else self.final_momentum
        momentum = cosine_momentum(count, total, base=self.momentum, final=final)
        effective = keras.ops.where(updated, momentum, keras.ops.ones_like(momentum))
        for mine, theirs, averaged in zip(self.modules, modules, self._averaged, strict=True):
            for teacher, student, follows in zip(mine.weights, theirs.weights, averaged, strict=True):
                if follows:
                    rate = keras.ops.cast(effective, teacher.dtype)
                    teacher.assign(rate * teacher + (1.0 - rate) * keras.ops.cast(student, teacher.dtype))
        return momentum

    def copy_student(self, modules: Sequence[keras.layers.Layer]) -> None:
        """Gives the teacher the weights of `modules`, the student's layers, statistics of batch norm among them."""
        for mine, theirs in zip(self.modules, modules, strict=True):
            mine.set_weights(theirs.get_weights())  # by way of NumPy: no two weights may share memory on JAX
        self._as_made = self._fingerprint()

    def begin(self, modules: Sequence[keras.layers.Layer]) -> None:
        """Copies the student where the teacher is as it was made: weights may have been loaded into the student since.

        What was loaded into the teacher, or learned, stays.
        """
        if self.as_made:
            self.copy_student(modules)

    @property
    def as_made(self) -> bool:
        """Whether the weights are still those of the last copy of the student: nothing was loaded, nothing learned."""
        return self._as_made == self._fingerprint()

    def _fingerprint(self) -> int:
        code = 0
        for module in self.modules:
            for weight in module.weights:
                numbers = np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).reshape(-1)
                code = crc32(numbers.view("uint8").data, code)
        return code

    def advice(self, plan: Plan) -> list[str]:
        final = self.momentum if self.final_momentum is None else self.final_momentum
        step = 1.0 - 0.5 * (self.momentum + final)  # the mean over the cosine
        if not plan.updates or step == 0.0 or step * plan.updates >= 1.0:
            return []
        # A faster teacher invites collapse: MoCo loses all spread of its embeddings at 0.5.
        fits = max(1.0 - 4.0 / plan.updates, 0.9)
        if fits >= self.momentum:
            return []
        return [
            f"`momentum={self.momentum}` (to {final} at the end): the teacher follows {1.0 / step:.0f} updates behind, "
            f"and the run has {plan.updates}, so that it stays near where it started; `momentum={fits:.4g}` would suit."
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "modules": [keras.saving.serialize_keras_object(module) for module in self.modules],
            "momentum": self.momentum,
            "final_momentum": self.final_momentum,
            "average_statistics": self.average_statistics,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "EMATeacher":
        # Copies: Keras takes the config of a functional model apart as it reads it.
        modules = [keras.saving.deserialize_keras_object(deepcopy(module)) for module in config["modules"]]
        return cls(**{**config, "modules": modules})

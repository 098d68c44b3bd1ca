"""Learning rates that differ from variable to variable, such as smaller ones for earlier layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_ssl.optimizers.arguments import check_interval
from keras_ssl.optimizers.around_inner import AroundInner
from keras_ssl.typing import Tensor

__all__ = ["LayerWiseRates"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class LayerWiseRates(AroundInner):
    """Another optimizer, with a learning rate of its own for each variable.

        rate of a variable = learning rate * multipliers[path of the variable]     (1 for those that are not named)

    The inner optimizer sees that rate wherever it uses one: in its step, in a decoupled weight decay, and in the
    ceiling of `LARS(clip=True)`. A multiplier of 0 leaves a variable as it is. With multipliers of 1 the steps are
    those of the inner optimizer.

    The multipliers are part of the config; once the optimizer has its variables, by their order and not by their paths,
    which may be others in a model that is loaded. State is saved and loaded as that of any optimizer.

    Args:
        optimizer: the inner optimizer or its name. Its learning rate, weight decay and clipping are taken over; it must
            not be used elsewhere. Defaults to "adamw".
        multipliers: factors by the `path` of a variable, at least 0, such as those of `layer_wise_decay` and
            `keras_ssl.training.encoder_rates`; or a factor for each trainable variable, in their order. Defaults to
            None: 1 for all.
        name: name of the optimizer. Defaults to "layer_wise_rates".
        **kwargs: `use_ema`, `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps`, as for `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if a multiplier is out of range, the inner optimizer has options that belong here (moving averages,
            loss scale, gradient accumulation) or is built; and before the first step, if a multiplier names no
            variable, or more than one.

    Example:

    >>> layers = [keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name=name) for name in ("a", "b")]
    >>> for layer in layers:
    ...     layer.build((None, 1))
    >>> optimizer = LayerWiseRates(keras.optimizers.SGD(0.5), layer_wise_decay(layers, decay=0.1))
    >>> optimizer.apply([keras.ops.ones((1, 1)), keras.ops.ones((1, 1))], [layer.kernel for layer in layers])
    >>> [round(float(layer.kernel[0, 0]), 4) for layer in layers]
    [0.95, 0.5]

    Reference: Clark et al., "ELECTRA: pre-training text encoders as discriminators rather than generators", ICLR 2020,
    https://arxiv.org/abs/2003.10555, whose rates decay from layer to layer.
    """

    def __init__(
        self,
        optimizer: Any = "adamw",
        multipliers: Mapping[str, float] | Sequence[float] | None = None,
        name: str = "layer_wise_rates",
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, name, **kwargs)
        multipliers = {} if multipliers is None else multipliers
        if isinstance(multipliers, Mapping):
            named = {str(path): _checked(factor) for path, factor in multipliers.items()}
            self.multipliers: dict[str, float] | list[float] = named
        elif isinstance(multipliers, list | tuple):
            self.multipliers = [_checked(factor) for factor in multipliers]
        else:
            raise ValueError(f"`multipliers` must be factors by path, or a list. Received: multipliers={multipliers!r}")

    def build(self, variables: list[Any]) -> None:
        """Finds the multiplier of each variable, and builds the inner optimizer."""
        if self.built:
            return
        if isinstance(self.multipliers, list):
            if len(self.multipliers) != len(variables):
                raise ValueError(
                    "A list of `multipliers` must have one for each trainable variable. "
                    f"Received: {len(self.multipliers)} multipliers, {len(variables)} variables"
                )
            super().build(variables)
            return
        paths = [variable.path for variable in variables]
        for path in self.multipliers:
            if paths.count(path) != 1:
                raise ValueError(
                    f"Each path of `multipliers` must be that of one trainable variable. Received: {path!r}, the path "
                    f"of {paths.count(path)} variables of {len(paths)}, such as {paths[:3]}"
                )
        self.multipliers = [self.multipliers.get(path, 1.0) for path in paths]
        super().build(variables)

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """A step of the inner optimizer, at the rate of this variable."""
        factor = self.multipliers[self._get_variable_index(variable)]
        self.inner_step(gradient, variable, keras.ops.multiply(learning_rate, factor))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "multipliers": self.multipliers}


def _checked(factor: Any) -> float:
    return check_interval("multipliers", factor, "[0, inf)")

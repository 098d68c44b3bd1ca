"""What optimizers around another optimizer share: they take over its settings, and hold its variables."""

from typing import Any, Self

import keras

from keras_ssl.optimizers.arguments import check_optimizer_arguments

FROM_INNER = ("clipnorm", "clipvalue", "global_clipnorm")
_NOT_IN_INNER = ("use_ema", "loss_scale_factor", "gradient_accumulation_steps")


class AroundInner(keras.optimizers.Optimizer):
    """An optimizer whose steps are made by another one, `self.inner`, a variable at a time.

    The inner optimizer's learning rate, weight decay and clipping are taken over. Both count the same updates, and the
    inner one's variables are saved with the outer one's.

    Args:
        optimizer: the inner optimizer or its name.
        name: name of the optimizer.
        **kwargs: as for `keras.optimizers.Optimizer`, without what is the inner optimizer's.

    Raises:
        ValueError: if an argument is out of range, or the inner optimizer is built, has options that belong to the
            outer one (moving averages, loss scale, gradient accumulation), or does more in a step than to update one
            variable after the other, as Nadam does.
    """

    def __init__(self, optimizer: Any, name: str, **kwargs: Any) -> None:
        inner = keras.optimizers.get(optimizer)
        kind, base = type(inner), keras.optimizers.Optimizer
        present = [option for option in _NOT_IN_INNER if getattr(inner, option, None)]
        own_steps = [method for method in _STEP_METHODS if getattr(kind, method, None) is not getattr(base, method)]
        if present or inner.built or own_steps:
            raise ValueError(
                f"`optimizer` must not be built, have one of {_NOT_IN_INNER} (give them to {type(self).__name__}), nor "
                f"do more in a step than update one variable after the other. Received: optimizer={inner!r}"
            )
        for option in (*FROM_INNER, "weight_decay"):
            if kwargs.get(option) is not None:
                raise ValueError(f"`{option}` is the inner optimizer's. Received: {option}={kwargs[option]}")
        rate = inner._learning_rate
        rate = float(keras.ops.convert_to_numpy(rate)) if isinstance(rate, keras.Variable) else rate
        options = {option: getattr(inner, option) for option in FROM_INNER}
        checked = {**options, **kwargs, "weight_decay": inner.weight_decay}
        rate = check_optimizer_arguments(kwargs.pop("learning_rate", rate), checked)
        super().__init__(learning_rate=rate, name=name, **{**kwargs, **options})
        self.inner = inner

    def build(self, variables: list[Any]) -> None:
        """Builds the inner optimizer too."""
        if self.built:
            return
        super().build(variables)
        self.inner.build(variables)
        own = {id(self.inner._iterations), id(self.inner._learning_rate)}
        for variable in self.inner.variables:
            if id(variable) not in own:
                self._track_variable(variable)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """As the inner optimizer's method of this name."""
        self.inner.exclude_from_weight_decay(var_list=var_list, var_names=var_names)

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Nothing yet: the inner optimizer's decay belongs to its step."""

    def inner_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """A step of the inner optimizer for one variable, with its decoupled weight decay."""
        ops, decay = keras.ops, self.inner.weight_decay
        if decay and self.inner._use_weight_decay(variable):
            factor = ops.cast(decay, variable.dtype) * ops.cast(learning_rate, variable.dtype)
            self.assign_sub(variable, ops.multiply(variable, factor))
        self.inner._iterations = self.iterations  # one count of updates for both
        self.inner.update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for option in (*FROM_INNER, "weight_decay"):
            config.pop(option, None)
        return {**config, "optimizer": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        config = dict(config)
        made = config.pop("optimizer")
        if isinstance(made, dict):
            made = keras.saving.deserialize_keras_object(made, custom_objects=custom_objects)
        return super().from_config({**config, "optimizer": made}, custom_objects=custom_objects)


_STEP_METHODS = ("apply", "_backend_apply_gradients", "_backend_update_step")

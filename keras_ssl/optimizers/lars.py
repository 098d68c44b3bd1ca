"""LARS: momentum SGD whose step length is set per variable, the optimizer of the large-batch recipes."""

from typing import Any, NoReturn

import keras

from keras_ssl.optimizers.arguments import check_interval, check_optimizer_arguments
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class LARS(keras.optimizers.Optimizer):
    """Layer-wise adaptive rate scaling.

    For each variable `w` of two or more dimensions with gradient `g`:

        d     = g + weight_decay * w
        ratio = eta * norm(w) / norm(d)               (1 where either norm is 0)
        ratio = min(ratio / learning_rate, 1)         (only with clip=True)
        mu    = momentum * mu + ratio * d
        w     = w - learning_rate * mu                (nesterov: learning_rate * (ratio * d + momentum * mu))

    Variables of one dimension or none (biases, batch normalization) take plain momentum steps: neither decay
    nor ratio. The rule goes by the number of dimensions and never by name, because in Keras 3 a batch
    normalization's variables are called `gamma` and `beta` whatever the layer is called.

    Decay is coupled (inside the gradient, before the ratio), as in the paper and in the code of SimCLR,
    Barlow Twins and VICReg, whereas the `weight_decay` of Keras' own optimizers shrinks the weights apart
    from the gradient. Norms are those of the whole variable, in float32.

    LARS suits convolutional networks with batch normalization; for transformers use AdamW.

    Args:
        learning_rate: float, schedule or callable. Defaults to 0.2, the rate of Barlow Twins per 256 samples.
        momentum: in [0, 1). Defaults to 0.9.
        weight_decay: coupled L2 factor, at least 0. Defaults to 1e-6. Recipes for small data use 1e-4.
        eta: the trust coefficient, positive. Defaults to 0.001. Recipes for small data use 0.02 with `clip`.
        clip: whether the learning rate is a ceiling instead of a factor: a variable's step is then
            `min(eta * norm(w) / norm(d), learning_rate)` times `d`. With and without it, the same
            `learning_rate` and `eta` make different optimizers. Defaults to False.
        nesterov: whether to look one momentum step ahead. Defaults to False.
        name: name of the optimizer. Defaults to "lars".
        **kwargs: `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`, `ema_momentum`,
            `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`: see
            `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if an argument is NaN, infinite or out of range.

    Example:

    >>> w = keras.Variable([[3.0], [4.0]])
    >>> optimizer = LARS(learning_rate=1.0, momentum=0.0, weight_decay=0.0, eta=0.1)
    >>> optimizer.apply([keras.ops.convert_to_tensor([[0.0], [200.0]])], [w])
    >>> round(float(w[1, 0]), 4)  # a step of eta * norm(w) = 0.5, however long the gradient
    3.5

    References: You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017,
    https://arxiv.org/abs/1708.03888; Zbontar et al., "Barlow Twins", ICML 2021,
    https://arxiv.org/abs/2103.03230.
    """

    def __init__(
        self,
        learning_rate: Any = 0.2,
        momentum: float = 0.9,
        weight_decay: float = 1e-6,
        eta: float = 0.001,
        clip: bool = False,
        nesterov: bool = False,
        name: str = "lars",
        **kwargs: Any,
    ) -> None:
        learning_rate = check_optimizer_arguments(learning_rate, kwargs)
        momentum = check_interval("momentum", momentum, "[0, 1)")
        weight_decay = check_interval("weight_decay", weight_decay, "[0, inf)")
        eta = check_interval("eta", eta, "(0, inf)")
        if nesterov and momentum == 0.0:
            raise ValueError(f"`nesterov` needs a positive `momentum`. Received: momentum={momentum}")
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        # Not under the name `weight_decay`, which the base class would apply a second time, decoupled.
        self.coupled_weight_decay = weight_decay
        self.momentum = momentum
        self.eta = eta
        self.clip = bool(clip)
        self.nesterov = bool(nesterov)

    def build(self, variables: list[Any]) -> None:
        """Creates one momentum buffer for each variable."""
        if self.built:
            return
        super().build(variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Moves one variable; all it looks at is this variable, its gradient and its buffer."""
        ops = keras.ops
        learning_rate = ops.cast(learning_rate, variable.dtype)
        # Embedding layers yield sparse gradients, whose norm is defined only once they are dense.
        step = ops.cast(ops.convert_to_tensor(gradient, sparse=False), variable.dtype)
        if len(variable.shape) > 1:
            step = step + self.coupled_weight_decay * variable
            step = step * ops.cast(self._trust_ratio(step, variable, learning_rate), variable.dtype)
        buffer = self.momentums[self._get_variable_index(variable)]
        velocity = self.momentum * buffer + step
        self.assign(buffer, velocity)
        if self.nesterov:
            velocity = step + self.momentum * velocity
        self.assign_sub(variable, learning_rate * velocity)

    def _trust_ratio(self, step: Tensor, variable: Any, learning_rate: Tensor) -> Tensor:
        ops = keras.ops
        # In float32: the sum of squares of a large variable leaves float16 at once.
        weight_norm = ops.norm(ops.reshape(ops.cast(variable, "float32"), (-1,)))
        step_norm = ops.norm(ops.reshape(ops.cast(step, "float32"), (-1,)))
        defined = ops.logical_and(weight_norm > 0.0, step_norm > 0.0)
        ratio = self.eta * weight_norm / ops.where(defined, step_norm, 1.0)
        if self.clip:
            # Not `ratio / learning_rate`: a warm-up begins at a rate of 0.
            rate = ops.cast(learning_rate, "float32")
            ratio = ops.where(ratio < rate, ratio / ops.where(rate > 0.0, rate, 1.0), 1.0)
        return ops.where(defined, ratio, 1.0)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> NoReturn:
        """Not available: what is excluded follows from the number of dimensions.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "LARS excludes variables of fewer than two dimensions from decay and trust ratio, and no others. "
            f"Received: var_list={var_list}, var_names={var_names}"
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            momentum=self.momentum,
            weight_decay=self.coupled_weight_decay,
            eta=self.eta,
            clip=self.clip,
            nesterov=self.nesterov,
        )
        return config

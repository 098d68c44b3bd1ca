"""Sharpness-aware training of any objective, and of any Keras model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_ssl.optimizers.arguments import check_interval
from keras_ssl.optimizers.sam_gradients import sam_perturbed
from keras_ssl.training.backends import backend
from keras_ssl.training.combined import Combined
from keras_ssl.training.engine import Outcome
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.typing import Tensor


def as_objectives(objectives: SSLModel | Mapping[str, SSLModel]) -> dict[str, SSLModel]:
    """Objectives by name; a single one is called "objective".

    Raises:
        ValueError: if one trains otherwise than by the gradient of its loss.
    """
    members = {"objective": objectives} if isinstance(objectives, SSLModel) else dict(objectives)
    for name, member in members.items():
        if isinstance(member, SSLModel) and type(member).gradients is not SSLModel.gradients:
            raise ValueError(
                "`objectives` must train by the gradient of their loss, which is perturbed here. "
                f"Received: objectives={{{name!r}: {type(member).__name__}}}, which has `gradients` of its own"
            )
    return members


@keras.saving.register_keras_serializable(package="keras_ssl")
class SAM(Combined):
    """Sharpness-aware minimization of an objective, or of several that share an encoder: it seeks flat minima.

    Each step takes the gradient `g` of the loss, and then that at `w + rho * g / ||g||`, on the same batch with the
    same views, which the optimizer gets: two passes instead of one. Weights are never changed in between; moving
    statistics and all state follow the first pass. Under several replicas `g` is that of the global batch, so the step
    is that of one device. With `rho = 0` training is that of the objective alone.

    The optimizer is any: `compile("adam")`. What is logged is the loss at the weights, not at the perturbed ones.

    Args:
        objectives: an `SSLModel`, or several by name, all around one encoder object.
        rho: radius of the perturbation, at least 0. Defaults to 0.05.
        weights: of the losses, not negative, by name. Defaults to 1 each.
        **kwargs: `name`, `seed` as for `SSLModel`.

    Raises:
        ValueError: as `Combined`; if `rho` is out of range, or an objective has `gradients` of its own.

    Example:

    ```python
    model = keras_ssl.training.SAM(keras_ssl.SimCLR(keras_ssl.encoders.ConvNet()), rho=0.05)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021.
    """

    def __init__(
        self,
        objectives: SSLModel | Mapping[str, SSLModel],
        rho: float = 0.05,
        weights: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        rho = check_interval("rho", rho, "[0, inf)")
        super().__init__(as_objectives(objectives), weights, **kwargs)
        self.rho = rho

    def gradients(self, batch: dict[str, Any], step: Step) -> tuple[Outcome, list[Tensor | None]]:
        outcome, gradients = self.loss_and_gradients(batch, step)
        if not self.rho:
            return outcome, gradients
        whole = self.backend.sum_gradients(getattr(self, "optimizer", None), gradients)
        at = sam_perturbed(self.trainable_variables, whole, self.rho)
        return outcome, self.loss_and_gradients(batch, step, at=at)[1]

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """What a single objective predicts; of several the encoder's features."""
        return _predicted(self, x, training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(self.members) == 1:
            return next(iter(self.members.values())).compute_output_shape(input_shape)
        return super().compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho}


def _predicted(model: Combined, x: Tensor, training: bool) -> Tensor:
    members = list(model.members.values())
    return members[0].call(x, training=training) if len(members) == 1 else model.features(x, training=training)


def sam_value_and_gradients(
    function: Callable[[], Tensor],
    model: keras.Model,
    rho: float = 0.05,
    variables: Sequence[keras.Variable] | None = None,
) -> tuple[Tensor, list[Tensor | None]]:
    """A scalar function of any Keras model's variables, and its sharpness-aware gradients, on either backend.

    Args:
        function: returns a scalar. It is called twice: at the weights, and at `w + rho * g / ||g||`. State that it
            assigns (moving statistics) is kept from the first call only.
        model: whose variables the function reads.
        rho: radius of the perturbation, at least 0. Defaults to 0.05.
        variables: for which to differentiate. Defaults to None: the trainable ones.

    Returns:
        The value at the weights, and one tensor or None for each variable, for `optimizer.apply`.

    Raises:
        ValueError: if `rho` is out of range.

    Example:

    >>> layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile("sgd", "mse")
    >>> x, y = np.array([[1.0, 2.0]]), np.array([[0.0]])
    >>> loss = lambda: model.compute_loss(x=x, y=y, y_pred=model(x, training=True))
    >>> value, gradients = sam_value_and_gradients(loss, model, rho=0.1)
    >>> float(value), float(gradients[0][0, 0]) > 6.0  # 6 without the perturbation
    (9.0, True)

    Reference: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021.
    """
    rho = check_interval("rho", rho, "[0, inf)")
    variables = model.trainable_variables if variables is None else list(variables)
    (value, _), gradients = backend.value_and_gradients(model, lambda: (function(), ()), variables)
    at = sam_perturbed(variables, gradients, rho)
    _, gradients = backend.value_and_gradients(model, lambda: (function(), ()), variables, at=at)
    return value, gradients

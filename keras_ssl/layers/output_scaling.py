"""A network whose training is as lazy or as rich as one wants."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.typing import Tensor

__all__ = ["OutputScaling"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class OutputScaling(keras.Model):
    """A network `f` as `alpha * (f(x) - f_0(x))`, where `f_0` is the network as it was when this model was made.

    Its output is 0 at the start, and the loss that `compile` and `fit` use is divided by `alpha^2`, so that the first
    steps change the output equally fast for every `alpha`. The weights then change by a length in proportion to
    `1 / alpha`: with a large `alpha` they hardly move and training is that of the linearized network, a kernel method
    ("lazy"); with a small one the features change ("rich"). On the way from one to the other, test accuracy may come
    long after training accuracy ("grokking").

    `f_0` is a frozen copy, called in inference mode; the output is 0 at the start where `f` has no dropout and no batch
    normalization in training. The division applies to the whole loss, weight penalties included; what is logged as
    `loss` is divided. In a loop of your own use `model.compute_loss`.

    Args:
        network: a built functional or sequential `keras.Model`.
        alpha: scale of the output, positive. Defaults to 1: only the start is centered.
        **kwargs: `name`, `dtype`.

    Raises:
        ValueError: if the network is not built or cannot be copied, or `alpha` is not positive and finite.

    Example:

    >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model = OutputScaling(network, alpha=10.0)
    >>> keras.ops.convert_to_numpy(model(np.array([[1.0, 2.0]]))).tolist()
    [[0.0]]

    Reference: Kumar et al., "Grokking as the Transition from Lazy to Rich Training Dynamics", ICLR 2024; Chizat,
    Oyallon and Bach, "On Lazy Training in Differentiable Programming", NeurIPS 2019.
    """

    def __init__(self, network: keras.Model, alpha: float = 1.0, **kwargs: Any) -> None:
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or alpha == float("inf"):
            raise ValueError(f"`alpha` must be a finite number. Received: alpha={alpha}")
        check_positive("alpha", alpha)
        copied = isinstance(network, keras.Model) and network.built
        if not copied or not (isinstance(network, keras.Sequential) or hasattr(network, "operations")):
            raise ValueError(
                f"`network` must be a built functional or sequential keras.Model. Received: network={network!r}"
            )
        super().__init__(**kwargs)
        self.alpha = float(alpha)
        self.network = network
        self.initial = keras.models.clone_model(network)
        self.initial.set_weights(network.get_weights())
        self.initial.trainable = False
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Tensor:
        now = self.network(inputs, training=training)
        return self.alpha * (now - keras.ops.stop_gradient(self.initial(inputs, training=False)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.network.compute_output_shape(input_shape)

    def compute_loss(self, *args: Any, **kwargs: Any) -> Tensor:
        """The loss of `compile`, divided by `alpha^2`."""
        loss = super().compute_loss(*args, **kwargs)
        return None if loss is None else loss / self.alpha**2

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "network": keras.saving.serialize_keras_object(self.network),
            "alpha": self.alpha,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "OutputScaling":
        config = dict(config)
        config["network"] = keras.saving.deserialize_keras_object(config["network"], custom_objects=custom_objects)
        return cls(**config)

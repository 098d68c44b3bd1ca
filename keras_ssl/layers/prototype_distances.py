"""Distances to learned points of the feature space."""

from typing import Any

import keras

from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.typing import Tensor

__all__ = ["PrototypeDistances"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class PrototypeDistances(keras.layers.Layer):
    r"""The squared Euclidean distances of features to learned prototypes: :math:`d_{ij} = |z_i - p_j|^2`.

    Differences are squared one by one: a feature on a prototype has the distance 0, exactly. In float32 whatever the
    precision of the model, unless `dtype` says otherwise.

    Args:
        count: number of prototypes, P.
        initializer: of the prototypes. Defaults to uniform in [0, 1).

    Input: `[N, D]`. Output: `[N, P]`. The weight `prototypes` is `[P, D]`.

    Raises:
        ValueError: if `count` is not a positive integer, or the input is not `[N, D]`.

    Example:

    >>> layer = PrototypeDistances(1, initializer="zeros")
    >>> layer(np.array([[3.0, 4.0]]))[0, 0].__array__().tolist()
    25.0

    Reference:
        Li et al., "Deep Learning for Case-Based Reasoning through Prototypes: A Neural Network that Explains Its
        Predictions", AAAI 2018.
    """

    def __init__(self, count: int, initializer: Any = None, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.count = check_integer("count", count, 1)
        usual = keras.initializers.RandomUniform(0.0, 1.0)
        self.initializer = usual if initializer is None else keras.initializers.get(initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(f"The input must be features [N, D]. Received: input_shape={tuple(input_shape)}")
        self.prototypes = self.add_weight(
            name="prototypes", shape=(self.count, input_shape[-1]), initializer=self.initializer
        )

    def call(self, features: Tensor) -> Tensor:
        difference = as_float(features)[:, None] - as_float(self.prototypes)[None]
        return keras.ops.cast(keras.ops.sum(keras.ops.square(difference), axis=-1), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.count)

    def get_config(self) -> dict[str, Any]:
        own = {"count": self.count, "initializer": keras.initializers.serialize(self.initializer)}
        return {**super().get_config(), **own}

"""Gates of pairs of classes."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["PairGate"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class PairGate(Configured, keras.layers.Layer):
    """Which dimensions two classes share: `g_ab = sigmoid(MLP((e_a + e_b) / 2))`, with learned embeddings e of classes.

    The gate of (a, b) is that of (b, a). The perceptron has one hidden layer with ReLU. Computed in float32, unless
    `dtype` says otherwise.

    Args:
        classes: number of classes, at least 2.
        dimension: number of gates of a pair, D.
        width: of the class embeddings and of the hidden layer. Defaults to 64.
        **kwargs: `name`, `dtype`, as for any layer.

    Input: classes `[P, 2]`, integers. Output: gates in (0, 1), `[P, D]`.

    Raises:
        ValueError: if a number is out of range.

    Example:

    >>> gate = PairGate(3, 5)
    >>> tuple(gate(np.array([[0, 1], [2, 2]])).shape)
    (2, 5)

    Reference:
        Wu et al., "Rethinking Positive Pairs in Contrastive Learning", 2024.
    """

    def __init__(self, classes: int, dimension: int, width: int = 64, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.classes = check_integer("classes", classes, 2)
        self.dimension = check_integer("dimension", dimension, 1)
        self.width = check_integer("width", width, 1)
        self.embeddings = self.add_weight(
            name="embeddings", shape=(self.classes, self.width), initializer=keras.initializers.RandomNormal(stddev=1.0)
        )
        self.hidden = keras.layers.Dense(self.width, activation="relu", name="hidden", dtype=self.dtype_policy)
        self.output_layer = keras.layers.Dense(
            self.dimension, activation="sigmoid", name="output", dtype=self.dtype_policy
        )
        self.hidden.build((None, self.width))
        self.output_layer.build((None, self.width))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        pairs = keras.ops.cast(inputs, "int32")
        table = keras.ops.convert_to_tensor(self.embeddings)
        # By one-hot rows, not by a gather: TensorFlow gathers gradients of tables as another type.
        chosen = keras.ops.one_hot(pairs, self.classes, dtype=table.dtype)
        return self.output_layer(self.hidden(keras.ops.matmul(keras.ops.mean(chosen, axis=1), table)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.dimension)

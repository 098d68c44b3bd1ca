"""A memory of one embedding for every sample of a data set."""

from typing import Any

import keras

from keras_ssl.layers.sample_table import SampleTable
from keras_ssl.losses.numeric import check_integer, l2_normalize
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class MemoryBank(SampleTable):
    """One unit vector for each sample, by the sample's index; float32 `[size, dimension]`, saved with the model.

    `row = normalize((1 - momentum) * row + momentum * embedding)`. A row is zero until its sample is first seen, and
    takes the first embedding as it comes. What is said of a `SampleTable` holds here too.

    Args:
        size: number of samples of the data set.
        dimension: width of an embedding.
        momentum: share of the new embedding, in (0, 1]. Defaults to 0.5.

    Raises:
        ValueError: if a size is not a positive integer or the momentum lies outside (0, 1].

    Example:

    >>> bank = MemoryBank(4, 2)
    >>> bank.remember(np.array([3]), np.array([[0.0, 2.0]], "float32"))
    >>> [float(value) for value in bank.gather(np.array([3]))[0]]
    [0.0, 1.0]
    """

    def __init__(self, size: int, dimension: int, momentum: float = 0.5, **kwargs: Any) -> None:
        dimension = check_integer("dimension", dimension, 1)
        if not 0 < momentum <= 1:
            raise ValueError(f"`momentum` must lie in (0, 1]. Received: momentum={momentum}")
        super().__init__(size, [0.0] * dimension, **kwargs)
        self.dimension, self.momentum = dimension, momentum

    @property
    def seen(self) -> Tensor:
        """Whether each sample was ever seen, booleans `[size]`."""
        return keras.ops.any(keras.ops.not_equal(self.contents, 0.0), axis=1)

    def remember(self, index: Tensor, embeddings: Tensor, updated: Tensor | bool = True) -> None:
        """Moves the rows of the samples `index` `[N]` towards `embeddings` `[N, dimension]`, where `updated` is true.

        An embedding of a sample that the bank does not have is left out.
        """
        ops = keras.ops
        old = self.gather(index)
        new = l2_normalize(ops.cast(embeddings, old.dtype))
        first = ops.all(ops.equal(old, 0.0), axis=1, keepdims=True)
        moved = l2_normalize((1.0 - self.momentum) * old + self.momentum * new)
        self.update(index, ops.where(first, new, moved), updated)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["initial"]
        return {**config, "dimension": self.dimension, "momentum": self.momentum}

"""NT-Xent, the loss of SimCLR."""

import keras

from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy
from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.typing import Tensor


def nt_xent_loss(z1: Tensor, z2: Tensor, temperature: float = 0.1) -> Tensor:
    r"""NT-Xent: among all 2N embeddings, each should find the other view of its own image.

    With `z = concat(z1, z2)`, rows L2-normalised, and `p(i)` the other view of `i`:
    `-1/(2N) sum_i log( exp(z_i.z_p(i) / T) / sum_{j != i} exp(z_i.z_j / T) )`. Chance value: `log(2N - 1)`.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        temperature: T > 0. Defaults to `0.1`, the paper's for ImageNet (it takes 0.5 for CIFAR-10).

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not positive.

    Reference:
        Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.
    """
    check_positive("temperature", temperature)
    z1, z2 = as_float(z1), as_float(z2)
    check_pair(z1, z2)
    z = l2_normalize(keras.ops.concatenate([z1, z2], axis=0))
    count = keras.ops.shape(z1)[0]
    rows = keras.ops.arange(2 * count, dtype="int32")
    oneself = keras.ops.equal(keras.ops.expand_dims(rows, 1), keras.ops.expand_dims(rows, 0))
    partner = keras.ops.mod(rows + count, 2 * count)
    return contrastive_cross_entropy(keras.ops.matmul(z, keras.ops.transpose(z)) / temperature, partner, oneself)

"""The loss of NNCLR: InfoNCE with the nearest neighbor in a bank for the sample itself."""

import keras

from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.typing import Tensor


def nearest_neighbors(embeddings: Tensor, bank: Tensor, unit_bank: bool = False) -> Tensor:
    """For each row of the embeddings the row of the bank of the highest cosine, L2-normalized, without gradient.

    Of equals, the first.

    Args:
        embeddings: `[N, D]`.
        bank: `[K, D]`.
        unit_bank: whether the rows of `bank` have length 1 as they come. Defaults to False.

    Returns:
        `[N, D]`.
    """
    embeddings, bank = (keras.ops.stop_gradient(as_float(x, embeddings)) for x in (embeddings, bank))
    embeddings, bank = l2_normalize(embeddings), bank if unit_bank else l2_normalize(bank)
    similarity = keras.ops.matmul(embeddings, keras.ops.transpose(bank))
    return keras.ops.take(bank, keras.ops.argmax(similarity, axis=1), axis=0)


def nnclr_loss(
    embeddings: Tensor, predictions: Tensor, bank: Tensor, temperature: float = 0.1, unit_bank: bool = False
) -> Tensor:
    r"""NNCLR: the nearest neighbor of a sample should find the prediction made from the sample's other view.

    `-1/N sum_i log( exp(nn(z_i).p_i / T) / sum_k exp(nn(z_i).p_k / T) )`, with all rows L2-normalized and `nn(z)` the
    row of the bank nearest to `z`. In one direction; the objective takes the mean of the two. With a bank that holds
    `embeddings` themselves this is `info_nce_loss(embeddings, predictions)`. Chance value: `log(N)`.

    Args:
        embeddings: projections of one view, `[N, D]`; only for the look-up, which has no gradient.
        predictions: from the predictor, on the other view, `[N, D]`.
        bank: embeddings of earlier batches, `[K, D]`.
        temperature: T > 0. Defaults to `0.1`.
        unit_bank: whether the rows of `bank` have length 1 as they come. A large bank is then not copied. Defaults to
            False.

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not positive or the shapes do not fit.

    Reference:
        Dwibedi et al., "With a Little Help from My Friends: Nearest-Neighbor Contrastive Learning of Visual
        Representations", ICCV 2021.
    """
    check_positive("temperature", temperature)
    check_pair(keras.ops.convert_to_tensor(embeddings), keras.ops.convert_to_tensor(predictions))
    return info_nce_loss(nearest_neighbors(embeddings, bank, unit_bank), predictions, temperature)

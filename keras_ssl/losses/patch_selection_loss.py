"""The loss of telling a hidden patch from the other hidden patches of its image."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, same_shape
from keras_ssl.typing import Tensor

__all__ = ["patch_selection_loss"]


def patch_selection_loss(queries: Tensor, candidates: Tensor, temperature: float = 1.0) -> Tensor:
    """The cross-entropy of picking, for each hidden place, its own patch among the hidden patches of the same image.

    Of each sample, `mean over m of -log(exp(q_m . c_m / T) / sum_k exp(q_m . c_k / T))`. Where all candidates are alike
    it is `log M`; of a single candidate it is 0.

    Args:
        queries: what is expected at each of M hidden places, `[N, M, D]`.
        candidates: codes of the patches that were hidden there, in the same order, `[N, M, D]`.
        temperature: T > 0, by which products are divided. Defaults to 1.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the temperature is not finite and positive, or the shapes do not fit.

    Example:

    >>> codes = np.eye(2, dtype="float32")[None]
    >>> round(float(patch_selection_loss(codes, codes)[0]), 4)  # log(1 + exp(-1))
    0.3133

    Reference: Trinh et al., "Selfie: Self-supervised Pretraining for Image Embedding", 2019.
    """
    temperature = check_number("temperature", temperature, 0.0, above=True)
    logits = selection_logits(queries, candidates) / temperature
    chosen = keras.ops.sum(logits * keras.ops.eye(logits.shape[-1], dtype=logits.dtype), axis=-1)
    return keras.ops.mean(keras.ops.logsumexp(logits, axis=-1) - chosen, axis=1)


def selection_logits(queries: Tensor, candidates: Tensor) -> Tensor:
    """The products of all queries with all candidates of the same sample, float32 `[N, M, M]`."""
    if not same_shape(queries.shape, candidates.shape) or len(queries.shape) != 3:
        raise ValueError(
            "`queries` and `candidates` must have one shape [N, M, D]. "
            f"Received: queries.shape={tuple(queries.shape)}, candidates.shape={tuple(candidates.shape)}"
        )
    ops = keras.ops
    return ops.matmul(as_float(queries), ops.transpose(as_float(candidates, queries), (0, 2, 1)))

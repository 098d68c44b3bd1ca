"""The symmetric InfoNCE of CLIP, for pairs of images."""

import keras

from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy
from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.losses.view_similarities import equal_pairs
from keras_ssl.typing import Tensor


def image_pair_loss(
    z1: Tensor,
    z2: Tensor,
    temperature: float | Tensor = 0.07,
    group: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""CLIP's loss: each image finds its partner among the second images, and each second image among the first.

    `(CE(S / T) + CE(S^T / T)) / 2` with `S = z1 z2^T`, rows L2-normalized, and CE the cross-entropy of each row
    with its own number as the target. Unlike NT-Xent, no image is compared with others of its own side. Chance value:
    `log N`; orthonormal pairs give `log(1 + (N - 1) exp(-1 / T))`.

    Args:
        z1: embeddings of the first images, `[N, D]`.
        z2: embeddings of the second images, `[N, D]`; row i is of the same identity as row i of `z1`.
        temperature: T > 0, a number or a scalar tensor. Defaults to `0.07`.
        group: identities, integers `[N]`; rows of one identity are not each other's negatives (nor positives). None
            (default): every row is an identity of its own.
        label_smoothing: in [0, 1), part of the target that is spread over all candidates. Defaults to 0.

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not positive or `label_smoothing` not in [0, 1).

    Reference:
        Habel et al., "CLIP-ReIdent: Contrastive Training for Player Re-Identification", MMSports 2022;
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    """
    if isinstance(temperature, int | float):
        check_positive("temperature", temperature)
    check_label_smoothing(label_smoothing)
    z1, z2 = as_float(z1), as_float(z2, z1)
    check_pair(z1, z2)
    logits = keras.ops.matmul(l2_normalize(z1), keras.ops.transpose(l2_normalize(z2))) / temperature
    rows = keras.ops.arange(keras.ops.shape(z1)[0], dtype="int32")
    excluded = None
    if group is not None:
        itself = equal_pairs(rows)
        same = equal_pairs(keras.ops.convert_to_tensor(group))
        excluded = keras.ops.logical_and(same, keras.ops.logical_not(itself))  # a symmetric matrix
    forward = contrastive_cross_entropy(logits, rows, excluded, label_smoothing)
    backward = contrastive_cross_entropy(keras.ops.transpose(logits), rows, excluded, label_smoothing)
    return (forward + backward) / 2.0


def check_label_smoothing(label_smoothing: float) -> float:
    """`label_smoothing`, or an error where it is not in [0, 1)."""
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"`label_smoothing` must lie in [0, 1). Received: label_smoothing={label_smoothing}")
    return label_smoothing

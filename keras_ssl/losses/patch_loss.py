"""Cross-entropy of masked patches to a teacher's distributions."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, masked_mean, same_shape
from keras_ssl.typing import Tensor

__all__ = ["masked_patch_loss"]


def masked_patch_loss(students: Tensor, targets: Tensor, chosen: Tensor, temperature: float = 0.1) -> Tensor:
    """iBOT's loss of masked patches, for each sample.

    `sum_t chosen_t CE(target_t, softmax(student_t / T)) / sum_t chosen_t`; 0 for a sample of which nothing is chosen.
    So each image counts alike, however many of its patches are masked.

    Args:
        students: the student's outputs for patches that it did not see, `[N, M, K]`.
        targets: the teacher's distributions of the same patches, `[N, M, K]`; no gradient flows through them.
        chosen: 1 for patches that count, else 0; `[N, M]`.
        temperature: T > 0. Defaults to 0.1.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the temperature is not finite and positive, or the shapes do not fit.

    Example:

    >>> loss = masked_patch_loss(np.zeros((1, 2, 4)), np.full((1, 2, 4), 0.25), np.array([[1.0, 0.0]]))
    >>> round(float(loss[0]), 4)  # log 4
    1.3863

    Reference: Zhou et al., "iBOT: Image BERT Pre-Training with Online Tokenizer", ICLR 2022.
    """
    check_number("temperature", temperature, 0.0, above=True)
    if not same_shape(students.shape, targets.shape) or len(students.shape) != 3:
        raise ValueError(
            "`students` and `targets` must have one shape [N, M, K]. "
            f"Received: students.shape={tuple(students.shape)}, targets.shape={tuple(targets.shape)}"
        )
    ops = keras.ops
    logs = ops.log_softmax(as_float(students) / temperature, axis=-1)
    losses = -ops.sum(ops.stop_gradient(as_float(targets, students)) * logs, axis=-1)
    return masked_mean(losses, "chosen", chosen)

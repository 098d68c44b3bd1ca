"""What the losses of logits and class numbers share: checks, and the margin from which they all follow."""

from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import as_float, concrete
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


def class_logits(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Checked logits in float32 (or float64), and labels in int32.

    Args:
        logits: `[N, K]`, K at least 2.
        labels: class numbers from 0 to K - 1, integers `[N]`.

    Returns:
        Both. In compiled code, which cannot raise, the logits of a row whose label is no class are NaN.

    Raises:
        ValueError: if a shape or the labels' type is wrong, or a label is no class (where values are known).
    """
    ops = keras.ops
    logits, labels = as_float(logits), ops.convert_to_tensor(labels)
    if len(logits.shape) != 2 or (logits.shape[1] or 0) < 2:
        raise ValueError(
            f"`logits` must be a matrix [N, K] of at least 2 classes. Received: logits.shape={tuple(logits.shape)}"
        )
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if len(labels.shape) != 1 or "int" not in dtype:
        raise ValueError(
            "`labels` must be class numbers, integers [N]; soft labels are not taken. "
            f"Received: labels.shape={tuple(labels.shape)}, labels.dtype={dtype}"
        )
    if None not in (logits.shape[0], labels.shape[0]) and logits.shape[0] != labels.shape[0]:
        raise ValueError(
            f"`logits` and `labels` must be of one length. Received: labels.shape={tuple(labels.shape)}, "
            f"logits.shape={tuple(logits.shape)}"
        )
    classes = logits.shape[1]
    values = concrete(labels)
    labels = ops.cast(labels, "int32")
    if values is None:
        wrong = ops.logical_or(labels < 0, labels >= classes)
        return ops.where(wrong[:, None], float("nan"), logits), labels
    bad = (values < 0) | (values >= classes)
    if bad.any():
        raise ValueError(
            f"`labels` must be class numbers from 0 to {classes - 1}. Received: labels={values[bad.argmax()]} in "
            f"sample {int(bad.argmax())}"
        )
    return logits, labels


def is_true_class(logits: Tensor, labels: Tensor) -> Tensor:
    """Booleans `[N, K]`, true at each row's label."""
    return keras.ops.equal(labels[:, None], keras.ops.arange(logits.shape[1], dtype="int32"))


def rival_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """`m = log sum_{k != y} exp(f_k - f_y)`, `[N]`, so that `p_y = sigmoid(-m)` and `1 - p_y = sigmoid(m)`.

    Losses are computed from it because `log p_y = -softplus(m)` and `log(1 - p_y) = -softplus(-m)` keep their digits
    for `p_y` near 0 and near 1, where `softmax` rounds to 0 or 1.

    Args:
        logits: `[N, K]`, checked.
        labels: int32 `[N]`, checked.
    """
    ops = keras.ops
    true = is_true_class(logits, labels)
    own = ops.sum(ops.where(true, logits, ops.zeros_like(logits)), axis=1)
    rivals = ops.where(true, float("-inf"), logits)
    return ops.logsumexp(rivals, axis=1) - own


class LabelLoss(Configured, keras.losses.Loss):
    """Base of the classes for `compile(loss=...)` over a function of logits and class numbers.

    Keras gives a loss its labels as floats, `[N]` or `[N, 1]`; they are made class numbers again here.
    """

    def __init__(self, reduction: str = "sum_over_batch_size", name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def class_numbers(self, y_true: Tensor) -> Tensor:
        """The labels as int32 `[N]`."""
        ops = keras.ops
        y_true = ops.convert_to_tensor(y_true)
        if len(y_true.shape) == 2 and y_true.shape[1] == 1:
            y_true = y_true[:, 0]
        values = concrete(y_true)
        whole = values is None or values.dtype.kind not in "f" or bool(np.all(values == np.round(values)))
        if len(y_true.shape) != 1 or not whole:
            raise ValueError(
                "`y_true` must hold one class number for each sample; soft labels are not taken. "
                f"Received: y_true.shape={tuple(y_true.shape)}, y_true={values}"
            )
        return ops.cast(y_true, "int32")

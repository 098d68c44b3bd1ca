"""The fairness penalty of FreeMatch."""

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["fairness_loss"]


def fairness_loss(strong: Tensor, used: Tensor, class_means: Tensor, histogram: Tensor) -> Tensor:
    """Self-adaptive fairness: draws predictions of a batch away from the running mean of the predictions.

    With `a = normalize(class_means / histogram)` and, over the used samples, the mean `q` of `softmax(strong)` and the
    histogram `h` of its largest entries, `b = normalize(q / h)`, the loss is `sum_c a_c log(b_c + 1e-12)`, the
    negative of the cross-entropy of b under a. No gradient flows through a and h. A quotient by 0 counts as 0, as in
    the authors' code, so that a class that the batch lacks adds the constant `a_c log 1e-12`.

    Args:
        strong: logits of strong views, `[N, K]`.
        used: 1 for the samples that count, else 0, `[N]`.
        class_means: running mean of the predictions of weak views, `[K]`.
        histogram: running share of the classes among their pseudo-labels, `[K]`.

    Returns:
        A float32 scalar; 0 where no sample is used.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> strong, half = keras.ops.array([[0.0, 1.0], [1.0, 0.0]]), keras.ops.array([0.5, 0.5])
    >>> round(float(fairness_loss(strong, keras.ops.ones(2), half, half)), 4)
    -0.6931

    Reference: Wang et al., "FreeMatch: Self-adaptive Thresholding for Semi-supervised Learning", ICLR 2023.
    """
    check_shape("used", used, strong.shape[:1])
    check_shape("class_means", class_means, strong.shape[1:])
    check_shape("histogram", histogram, strong.shape[1:])
    ops = keras.ops
    used = ops.stop_gradient(as_float(used, strong))
    q = ops.softmax(as_float(strong), axis=1)
    count = ops.sum(used)
    mean = ops.sum(used[:, None] * q, axis=0) / ops.maximum(count, 1.0)
    hits = ops.one_hot(ops.argmax(q, axis=1), q.shape[1], dtype=q.dtype)
    own = ops.sum(used[:, None] * hits, axis=0) / ops.maximum(count, 1.0)
    target = ops.cast(_shares(as_float(class_means), as_float(histogram, class_means)), q.dtype)
    target = ops.stop_gradient(target)
    return ops.sum(target * ops.log(_shares(mean, own) + 1e-12)) * ops.cast(count > 0, q.dtype)


def _shares(values: Tensor, divisors: Tensor) -> Tensor:
    """Quotients, 0 where the divisor is 0, scaled to sum to 1."""
    ops = keras.ops
    positive = divisors > 0
    quotients = ops.where(positive, values / ops.where(positive, divisors, 1.0), 0.0)
    return quotients / ops.maximum(ops.sum(quotients), 1e-12)

"""EnsLoss: a random calibrated loss for each batch, drawn by its derivatives."""

import math
from typing import Any

import keras

from keras_ssl.losses.numeric import as_float, check_integer, concrete
from keras_ssl.random import Stream
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["EnsLoss", "ens_loss", "random_loss_derivatives"]

_LEAST = 1e-6  # what a derivative is at least in size: below 0 strictly, so that the loss stays calibrated


def _check_power(power: float) -> float:
    if not math.isfinite(power):
        raise ValueError(f"`power` must be finite. Received: power={power}")
    return float(power)


def random_loss_derivatives(margins: Tensor, draws: Tensor, power: float = 0.0) -> Tensor:
    """Derivatives of a random convex calibrated loss at the margins of a batch.

    The draws, through the inverse Box-Cox transformation (`exp(r)` for `power = 0`, else
    `max(1 + power * r, 0)^(1 / power)`), negated, kept in [-1, -1e-6] and sorted, are given to the margins in
    ascending order: the smallest margin gets the most negative. Above a margin of 1 they are divided by it, which
    makes the loss's tail superlinear, as the theory wants.

    Args:
        margins: `z = y f(x)`, `[N]`.
        draws: as many random numbers, `[N]`; in the paper standard normal.
        power: of the Box-Cox transformation. Defaults to 0, as in the authors' code.

    Returns:
        g, `[N]`, without a gradient: negative everywhere, and not decreasing in z for `z <= 1`.

    Raises:
        ValueError: if `power` is not finite.

    Example:

    >>> z, draws = keras.ops.array([2.0, -1.0, 0.5]), keras.ops.log(keras.ops.array([0.2, 5.0, 0.6]))
    >>> [round(float(g), 3) for g in random_loss_derivatives(z, draws)]
    [-0.1, -1.0, -0.6]
    """
    power = _check_power(power)
    ops = keras.ops
    margins, draws = ops.stop_gradient(as_float(margins)), ops.stop_gradient(as_float(draws, margins))
    if power == 0.0:
        # Sizes above 1 are cut off anyway; cut here they cannot overflow.
        sizes = ops.exp(ops.minimum(draws, 0.0))
    else:
        base = 1.0 + power * draws
        safe = ops.where(base > 0.0, base, ops.ones_like(base))
        # max(., 0)^(1 / power) beyond the end of the transformation's range: 0, or infinite where `power` is negative.
        sizes = ops.where(base > 0.0, ops.exp(ops.log(safe) / power), 0.0 if power > 0.0 else 1.0)
    ascending = ops.sort(-ops.clip(sizes, _LEAST, 1.0), axis=0)
    rank = ops.argsort(ops.argsort(margins, axis=0), axis=0)
    derivatives = ops.take(ascending, rank, axis=0)
    return derivatives / ops.maximum(margins, 1.0)


def ens_loss(margins: Tensor, derivatives: Tensor) -> Tensor:
    """`g z` of each sample, with `g` held fixed: its gradient by z is g, so its mean over B samples has `g / B`.

    Any loss can be written so, as far as its gradient is concerned: `g = -sigmoid(-z)` gives logistic regression's.
    The value itself is no measure of progress.

    Args:
        margins: `z = y f(x)`, `[N]`, where y is -1 or 1.
        derivatives: g, `[N]`; no gradient flows into them.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the two are not vectors of one length.

    Example:

    >>> [round(float(v), 1) for v in ens_loss(keras.ops.array([2.0, -1.0]), keras.ops.array([-0.1, -1.0]))]
    [-0.2, 1.0]
    """
    ops = keras.ops
    margins, derivatives = as_float(margins), ops.stop_gradient(as_float(derivatives, margins))
    if len(margins.shape) != 1 or tuple(margins.shape) != tuple(derivatives.shape):
        raise ValueError(
            "`derivatives` must be a vector of the length of `margins`. Received: "
            f"derivatives.shape={tuple(derivatives.shape)}, margins.shape={tuple(margins.shape)}"
        )
    return derivatives * margins


@keras.saving.register_keras_serializable(package="keras_ssl")
class EnsLoss(Configured, keras.losses.Loss):
    """A new random loss at every step, for classifiers of two classes: like dropout, but of losses.

    Each batch gets the derivatives of a convex, calibrated loss drawn at random: `random_loss_derivatives`. Training
    descends by them; the value of the loss is `mean(g z)` and says little, so watch accuracy instead.

    The draws follow from `seed` and from the predictions of the batch, by a hash. So the loss has no state: it works
    in compiled code on every backend, a resumed run goes on as it would have, and predictions that have changed get
    new draws. (The authors draw from a generator. Their code has a period of several batches, which it does not use.)

    Args:
        power: of the inverse Box-Cox transformation. Defaults to 0, the exponential, as in the authors' code.
        seed: an integer from 0 to 2**32 - 1. Defaults to 0.
        reduction, name, dtype: as for `keras.losses.Loss`.

    Call arguments:
        y_true: labels, 0 and 1, `[N]` or `[N, 1]`.
        y_pred: logits f(x) of class 1, `[N]` or `[N, 1]`.

    Raises:
        ValueError: if an argument is out of range, a label is neither 0 nor 1, or shapes do not fit.

    Example:

    >>> value = EnsLoss()([0, 1, 1], [[-2.0], [-1.0], [0.5]])
    >>> bool(np.isfinite(float(value)))
    True

    Reference:
        Dai, "EnsLoss: Stochastic Calibrated Loss Ensembles for Preventing Overfitting in Classification", 2024.
    """

    def __init__(
        self,
        power: float = 0.0,
        seed: int = 0,
        reduction: str = "sum_over_batch_size",
        name: str = "ens_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.power = _check_power(power)
        self.seed = check_integer("seed", seed, 0, 2**32 - 1)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        ops = keras.ops
        logits, labels = _column("y_pred", as_float(y_pred)), _column("y_true", as_float(y_true, y_pred))
        values = concrete(labels)
        if values is not None and not _all_binary(values):
            raise ValueError(f"`y_true` must be 0 or 1. Received: y_true={values}")
        margins = (2.0 * labels - 1.0) * logits
        draws = Stream(self.seed, _fingerprint(logits), ops.arange(ops.shape(logits)[0], dtype="int32")).normal()
        return ens_loss(margins, random_loss_derivatives(margins, draws, self.power))


def _all_binary(values: Any) -> bool:
    """Whether all are 0 or 1."""
    return bool(((values == 0) | (values == 1)).all())


def _column(name: str, values: Tensor) -> Tensor:
    """`[N]`, from `[N]` or `[N, 1]`."""
    if len(values.shape) == 2 and values.shape[1] == 1:
        return values[:, 0]
    if len(values.shape) != 1:
        raise ValueError(
            f"`{name}` must be [N] or [N, 1]: EnsLoss is for two classes. Received: {name}.shape={tuple(values.shape)}"
        )
    return values


def _fingerprint(logits: Tensor) -> Tensor:
    """A uint32 scalar that changes with the last digits of any logit."""
    ops = keras.ops
    logits = ops.stop_gradient(logits)
    size = ops.abs(ops.cast(logits, "float32"))
    low = ops.cast(ops.floor((size * 1048576.0) % 16777216.0), "int32")  # below 2**24: exact in float32
    place = ops.arange(ops.shape(low)[0], dtype="int32") % 127 + 1
    # A sum of small parts, so that no integer overflows: 17 bits times 128 places, modulo by reduction of each part.
    total = ops.sum((low % 131071) * place % 65521)
    return ops.cast(total, "uint32")

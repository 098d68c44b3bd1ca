"""A penalty on the normalizer of a softmax."""

import inspect
from typing import Any

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["ZLoss", "z_loss"]


def _check_weight(weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0.0 <= weight < float("inf"):
        raise ValueError(f"`weight` must be a finite number of at least 0. Received: weight={weight}")
    return float(weight)


def z_loss(logits: Tensor, weight: float = 1e-4) -> Tensor:
    """`weight * log(Z)^2` with `Z = sum_k exp(logits_k)`: keeps the logits of a classifier from drifting.

    Cross-entropy does not change where a number is added to all logits; this penalty does, and is 0 exactly where
    `log Z = 0`, which is where the logits are log probabilities. Its gradient is `2 weight log(Z) softmax(logits)`.

    Args:
        logits: `[..., K]`.
        weight: at least 0. Defaults to 1e-4, the paper's.

    Returns:
        One value for each row, float32 `[...]`.

    Raises:
        ValueError: if `weight` is out of range, or `logits` has no axis of classes.

    Example:

    >>> round(float(z_loss(np.array([[0.0, 0.0]]), weight=1.0)[0]), 4)  # log(2)^2
    0.4805

    Reference: Chowdhery et al., "PaLM: Scaling Language Modeling with Pathways", 2022; Wortsman et al., "Small-scale
    proxies for large-scale Transformer training instabilities", ICLR 2024.
    """
    weight = _check_weight(weight)
    logits = as_float(logits)
    if len(logits.shape) < 1:
        raise ValueError(f"`logits` must have an axis of classes. Received: logits.shape={tuple(logits.shape)}")
    return weight * keras.ops.square(keras.ops.logsumexp(logits, axis=-1))


def _takes_probabilities(loss: Any) -> bool:
    """Whether a Keras loss, object or function, can take logits and is not told to."""
    if isinstance(loss, keras.losses.Loss):
        return loss.get_config().get("from_logits") is False
    option = inspect.signature(loss).parameters.get("from_logits") if callable(loss) else None
    return option is not None and option.default is False


@keras.saving.register_keras_serializable(package="keras_ssl")
class ZLoss(keras.losses.Loss):
    """A loss of logits, such as cross-entropy, plus `z_loss`, for `compile`.

    `loss(y_true, logits) + weight * log(Z)^2`, for each sample, then reduced as usual.

    Args:
        loss: a `keras.losses.Loss` of `(y_true, logits)`, its name, or a function that gives one value for each sample.
            None is the penalty alone. Defaults to sparse categorical cross-entropy of logits. A cross-entropy must be
            one of logits (`from_logits=True`), which a name alone does not say.
        weight: of the penalty, at least 0. Defaults to 1e-4, the paper's.
        **kwargs: `reduction`, `name`, `dtype`, as for `keras.losses.Loss`. Defaults to the mean over the batch. The
            reduction of `loss` itself is not used.

    Raises:
        ValueError: if `weight` is out of range, or `loss` takes probabilities.

    Example:

    >>> loss = ZLoss(weight=1.0)  # log(2) + log(2)^2
    >>> round(float(loss(np.array([0]), np.array([[0.0, 0.0]]))), 4)
    1.1736

    Reference: Wortsman et al., "Small-scale proxies for large-scale Transformer training instabilities", ICLR 2024.
    """

    def __init__(self, loss: Any = "default", weight: float = 1e-4, **kwargs: Any) -> None:
        kwargs.setdefault("name", "z_loss")
        super().__init__(**kwargs)
        self.weight = _check_weight(weight)
        if isinstance(loss, str) and loss == "default":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.loss = None if loss is None else keras.losses.get(loss)
        if _takes_probabilities(self.loss):
            raise ValueError(
                f"`loss` must take logits: give it as an object with `from_logits=True`. Received: {loss=}"
            )

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        penalty = z_loss(y_pred, self.weight)
        if self.loss is None:
            return penalty
        inner = self.loss.call if isinstance(self.loss, keras.losses.Loss) else self.loss
        return inner(y_true, y_pred) + keras.ops.cast(penalty, self.dtype)

    def get_config(self) -> dict[str, Any]:
        made = None if self.loss is None else keras.losses.serialize(self.loss)
        return {**super().get_config(), "loss": made, "weight": self.weight}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ZLoss":
        config = dict(config)
        if config.get("loss") is not None:
            config["loss"] = keras.losses.deserialize(config["loss"])
        return cls(**config)

"""Self-ensembles: one classifier's predictions for several views of an input, put to a vote."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_ssl.evaluation.calibration.probabilities import as_probabilities
from keras_ssl.typing import Tensor

__all__ = ["SelfEnsemble", "ensemble_vote"]

_RULES = ("mean", "max", "majority")


def ensemble_vote(predictions: Tensor, rule: str = "mean") -> np.ndarray:
    """One distribution from those of several members.

    - "mean": the mean of the members' probabilities. Its cross-entropy is at most the members' mean (Jensen).
    - "max": each class's greatest probability among the members, divided by the sum of these.
    - "majority": the mean of the members that predict the class most members predict. Between classes with as many
      members, the one with the greater mean probability over all members wins (then the lower number).

    With one member, or members that agree, each rule returns that prediction. (The paper names the rules; that the
    result of "max" is normalized, and the confidence of "majority", are chosen here.)

    Args:
        predictions: the members' distributions, `[V, N, K]`.
        rule: "mean", "max" or "majority". Defaults to "mean".

    Returns:
        Distributions, float64 `[N, K]`.

    Raises:
        ValueError: if the rule is unknown, there is no member, or rows are no distributions.

    Example:

    >>> members = [[[0.9, 0.1]], [[0.4, 0.6]], [[0.45, 0.55]]]
    >>> [ensemble_vote(members, rule).round(3).tolist()[0] for rule in ("mean", "max", "majority")]
    [[0.583, 0.417], [0.6, 0.4], [0.425, 0.575]]

    Reference:
        Li et al., "On Task Performance and Model Calibration with Supervised and Self-Ensembled In-Context Learning",
        2023.
    """
    if rule not in _RULES:
        raise ValueError(f"`rule` must be one of {_RULES}. Received: rule={rule!r}")
    array = np.asarray(predictions)
    if array.ndim != 3 or len(array) < 1:
        raise ValueError(f"`predictions` must be [V, N, K]. Received: predictions.shape={array.shape}")
    members = np.stack([as_probabilities("predictions", member) for member in array])
    mean = members.mean(axis=0)
    if rule == "mean":
        return mean
    if rule == "max":
        highest = members.max(axis=0)
        return highest / highest.sum(axis=1, keepdims=True)
    voted = members.argmax(axis=2)  # [V, N]
    counts = np.stack([(voted == k).sum(axis=0) for k in range(mean.shape[1])], axis=1)  # [N, K]
    leads = counts == counts.max(axis=1, keepdims=True)
    winner = np.where(leads, mean, -1.0).argmax(axis=1)
    agrees = (voted == winner)[:, :, None]
    return np.sum(members * agrees, axis=0) / agrees.sum(axis=0)


class SelfEnsemble:
    """Predicts by a vote over several views of each input: test-time augmentation, of one model.

    Args:
        predict: maps inputs `[N, ...]` to distributions `[N, K]`: a calibrator over a model's logits, or
            `lambda x: keras.ops.softmax(model.predict(x, verbose=0))`.
        views: functions of the inputs, one for each member, such as `lambda x: x` and `lambda x: x[:, :, ::-1]`.
        rule: "mean", "max" or "majority": see `ensemble_vote`. Defaults to "mean".

    Raises:
        ValueError: if there is no view, something cannot be called, or the rule is unknown.

    Example:

    >>> def predict(x):
    ...     return np.concatenate([x, 1.0 - x], axis=1)
    >>> ensemble = SelfEnsemble(predict, [lambda x: x, lambda x: x / 2])
    >>> ensemble(np.array([[0.8]])).round(3).tolist()
    [[0.6, 0.4]]

    Reference:
        Li et al., "On Task Performance and Model Calibration with Supervised and Self-Ensembled In-Context Learning",
        2023.
    """

    def __init__(
        self, predict: Callable[[Any], Tensor], views: Sequence[Callable[[Any], Any]], rule: str = "mean"
    ) -> None:
        if not callable(predict):
            raise ValueError(f"`predict` must be a function. Received: predict={predict!r}")
        views = list(views)
        if not views or not all(callable(view) for view in views):
            raise ValueError(f"`views` must be functions, at least one. Received: views={views!r}")
        if rule not in _RULES:
            raise ValueError(f"`rule` must be one of {_RULES}. Received: rule={rule!r}")
        self.predict, self.views, self.rule = predict, views, rule

    def members(self, x: Any) -> np.ndarray:
        """Each view's predictions, `[V, N, K]`.

        Args:
            x: inputs, `[N, ...]`.
        """
        return np.stack([np.asarray(self.predict(view(x)), dtype="float64") for view in self.views])

    def __call__(self, x: Any) -> np.ndarray:
        """The vote's distributions, float64 `[N, K]`.

        Args:
            x: inputs, `[N, ...]`.

        Raises:
            ValueError: if `predict` gives no distributions.
        """
        return ensemble_vote(self.members(x), self.rule)

"""A calibrator that learns from transformed copies of a sample how likely its prediction is right."""

import math

import numpy as np
from scipy.optimize import minimize

from keras_ssl.evaluation.calibration.probabilities import as_labels, as_matrix, check_count, softmax
from keras_ssl.typing import Tensor

__all__ = ["CorrectnessAwareCalibrator"]


class CorrectnessAwareCalibrator:
    r"""Gives each sample a temperature of its own: high where transformed copies are predicted otherwise.

    Calibrated predictions are `softmax(f / T)`, so the predicted class is always kept. `T = g(h)` is a small network
    with one hidden layer of ReLU; h are the probabilities that the copies (rotated, grayscale, color-jittered, ...)
    give to the sample's own `top` most probable classes. It is trained on held-out samples to minimize

        mean_i ( 1[argmax f_i = y_i] - max softmax(f_i / T_i) )^2      (see `keras_ssl.losses.correctness_aware_loss`)

    by L-BFGS over all samples. T lies between `lowest` and `highest`: `T = lowest (highest / lowest)^sigmoid(.)`,
    where the authors clip; it starts at the geometric middle for every sample. The authors' code also weights right
    and wrong samples to count equally; `balanced=True` does so.

    Args:
        hidden: units of the hidden layer. Defaults to 5, as in the authors' code. With 0, g is constant: one
            temperature for all samples, by this loss.
        top: how many classes of the sample are looked up in its copies (at most K). Defaults to 4, as in the authors'
            code.
        lowest, highest: limits of T. Default to 0.1 and 10, the authors'.
        weight_decay: factor of half the squared weights in the loss, 0 or more. Defaults to 1e-4.
        balanced: whether right and wrong samples have the same total weight. Defaults to False, the paper's formula.
        iterations: of L-BFGS at most. Defaults to 300.
        seed: of the initial weights. Defaults to 0.

    Attributes (after `fit`):
        weights_: the network's weights: `[F, H]`, `[H]`, `[H]` and a number.
        losses_: the loss (without decay) before and after training.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> logits = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    >>> copies = [logits * np.array([[1.0], [-1.0], [1.0], [-1.0]])]  # copies of the second and fourth disagree
    >>> calibrator = CorrectnessAwareCalibrator().fit(logits, copies, [0, 1, 1, 0])
    >>> (calibrator(logits, copies).max(axis=1) > 0.8).tolist()
    [True, False, True, False]

    Reference:
        Liu et al., "Optimizing Calibration by Gaining Aware of Prediction Correctness", 2024.
    """

    weights_: tuple[np.ndarray, ...]
    losses_: tuple[float, float]

    def __init__(
        self,
        hidden: int = 5,
        top: int = 4,
        lowest: float = 0.1,
        highest: float = 10.0,
        weight_decay: float = 1e-4,
        balanced: bool = False,
        iterations: int = 300,
        seed: int = 0,
    ) -> None:
        if not 0.0 < lowest < highest < math.inf:
            raise ValueError(
                "`lowest` and `highest` must be positive, finite and in order. "
                f"Received: lowest={lowest}, highest={highest}"
            )
        if not 0.0 <= weight_decay < math.inf:
            raise ValueError(f"`weight_decay` must be 0 or more, and finite. Received: weight_decay={weight_decay}")
        self.hidden, self.top = check_count("hidden", hidden, 0), check_count("top", top)
        self.lowest, self.highest, self.weight_decay = float(lowest), float(highest), float(weight_decay)
        self.balanced = bool(balanced)
        self.iterations, self.seed = check_count("iterations", iterations), check_count("seed", seed, 0)

    def fit(self, logits: Tensor, copies: Tensor, labels: Tensor) -> "CorrectnessAwareCalibrator":
        """Trains the network.

        Args:
            logits: of held-out samples, `[N, K]`.
            copies: logits of their transformed copies, `[V, N, K]`.
            labels: the samples' class numbers, integers `[N]`.

        Returns:
            This object.

        Raises:
            ValueError: if a shape is wrong, a logit is not finite, or a label is no class.
        """
        f = as_matrix("logits", logits)
        y = as_labels(labels, *f.shape)
        h = self._inputs(f, copies)
        right = (f.argmax(axis=1) == y).astype("float64")
        share = np.full(len(y), 1.0 / len(y))
        if self.balanced and 0.0 < right.mean() < 1.0:
            share = np.where(right > 0, 0.5 / right.sum(), 0.5 / (1.0 - right).sum())
        random = np.random.RandomState(self.seed)
        scale = math.sqrt(2.0 / h.shape[1])
        shapes = ((h.shape[1], self.hidden), (self.hidden,), (self.hidden,), ())
        # The last layer starts at zero: every sample at the same temperature. Hidden biases are spread, so that units
        # differ where inputs hardly do.
        start = np.concatenate(
            [
                scale * random.normal(size=shapes[0]).ravel(),
                random.uniform(0, 0.5, self.hidden),
                np.zeros(self.hidden + 1),
            ]
        )

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            loss, gradient = self._loss_and_gradient(self._unpack(flat, shapes), f, h, right, share)
            return loss + 0.5 * self.weight_decay * float(flat @ flat), gradient + self.weight_decay * flat

        found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": self.iterations}).x
        self.weights_ = self._unpack(found, shapes)
        self._features = h.shape[1]
        before, after = (
            self._loss_and_gradient(self._unpack(flat, shapes), f, h, right, share)[0] for flat in (start, found)
        )
        self.losses_ = (before, after)
        return self

    def temperatures(self, logits: Tensor, copies: Tensor) -> np.ndarray:
        """Each sample's temperature, `[N]`.

        Args:
            logits: `[N, K]`.
            copies: logits of the transformed copies, `[V, N, K]`, in the order they had in `fit`.

        Raises:
            ValueError: if it has not been fitted, or a shape is wrong.
        """
        if not hasattr(self, "weights_"):
            raise ValueError("`fit` must be called first. Received: no weights")
        h = self._inputs(as_matrix("logits", logits), copies)
        if h.shape[1] != self._features:
            raise ValueError(
                "`copies` must be as many, of as many classes, as in `fit`. "
                f"Received: copies.shape={np.asarray(copies).shape}"
            )
        return self._temperatures(self.weights_, h)[0]

    def __call__(self, logits: Tensor, copies: Tensor) -> np.ndarray:
        """Calibrated probabilities `softmax(f / T)`, float64 `[N, K]`.

        Args:
            logits, copies: as for `temperatures`.

        Raises:
            ValueError: as `temperatures`.
        """
        return softmax(as_matrix("logits", logits) / self.temperatures(logits, copies)[:, None])

    def _inputs(self, logits: np.ndarray, copies: Tensor) -> np.ndarray:
        """The copies' probabilities at the sample's most probable classes, `[N, V * top]`."""
        given = np.asarray(copies)
        if given.ndim != 3 or len(given) < 1 or given.shape[1:] != logits.shape:
            raise ValueError(
                f"`copies` must be logits [V, N, K] of the {len(logits)} samples. Received: copies.shape={given.shape}"
            )
        best = np.argsort(-logits, axis=1, kind="stable")[:, : self.top]
        looked_up = [np.take_along_axis(softmax(as_matrix("copies", copy)), best, axis=1) for copy in given]
        return np.concatenate(looked_up, axis=1)

    def _unpack(self, flat: np.ndarray, shapes: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, ...]:
        parts = np.split(flat, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
        return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))

    def _temperatures(self, weights: tuple[np.ndarray, ...], h: np.ndarray) -> tuple[np.ndarray, ...]:
        """T, and what its gradient needs: the hidden layer, and the sigmoid."""
        first, bias, last, offset = weights
        units = np.maximum(h @ first + bias, 0.0)
        gate = 0.5 * (1.0 + np.tanh(0.5 * (units @ last + offset)))  # a sigmoid that does not overflow
        return self.lowest * (self.highest / self.lowest) ** gate, units, gate

    def _loss_and_gradient(
        self, weights: tuple[np.ndarray, ...], f: np.ndarray, h: np.ndarray, right: np.ndarray, share: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """The weighted mean loss and its gradient by all weights, flat."""
        temperature, units, gate = self._temperatures(weights, h)
        p = softmax(f / temperature[:, None])
        confidence = p.max(axis=1)
        gap = confidence - right
        # d max p / d T = -p_top (f_top - sum_k p_k f_k) / T^2, and d T / d (log T) = T.
        by_log_t = -confidence * (f.max(axis=1) - np.sum(p * f, axis=1)) / temperature
        by_score = 2.0 * share * gap * by_log_t * math.log(self.highest / self.lowest) * gate * (1.0 - gate)
        by_units = by_score[:, None] * weights[2] * (units > 0.0)
        parts = (h.T @ by_units, by_units.sum(axis=0), units.T @ by_score, by_score.sum())
        return float(share @ gap**2), np.concatenate([np.ravel(part) for part in parts])

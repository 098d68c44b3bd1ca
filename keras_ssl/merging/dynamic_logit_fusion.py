"""What small experts learned, added to the logits of a large model."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.check_numbers import check_numbers
from keras_ssl.losses.numeric import check_integer

__all__ = ["DynamicLogitFusion"]

_LARGEST = 1e300


class DynamicLogitFusion:
    """Moves a large model's logits by the difference that fine-tuning made in small ones, as far for each sample as
    it moved these.

    With the logits `L` of the large model, `e_t` of a small fine-tuned expert and `b` of the small model before,

        fused = L + sum_t alpha_t (e_t - b).

    One expert: `alpha >= 0` is where the large model moves as far as the small one did,

        KL(softmax(L + alpha (e - b)) || softmax(L)) = KL(softmax(e) || softmax(b)),

    found by bisection, as the left side grows with alpha; where it stays below at `most`, alpha is `most`. Several
    experts: each has its own alpha as if it were alone, and all are multiplied by one number at most 1, so that the
    fused model moves as far as the expert that moved farthest. So an expert that was not tuned changes nothing, and
    several equal ones are one. (The paper states a joint problem for several experts; this solution of it is our
    choice.) Nothing is trained.

    Args:
        most: the largest alpha, positive. Defaults to 10.
        steps: of the bisection, each halves the interval. Defaults to 60.

    Raises:
        ValueError: if `most` is not positive or `steps` is no positive integer.

    Example:

    >>> fusion = DynamicLogitFusion()
    >>> base, expert = np.array([[0.0, 0.0]]), np.array([[0.0, 2.0]])
    >>> fusion(base, [expert], base).round(4).tolist()  # a large model like the small one becomes the expert
    [[0.0, 2.0]]

    Reference: Fan et al., "On giant's shoulders: Effortless weak to strong by dynamic logits fusion", NeurIPS 2024,
    https://arxiv.org/abs/2406.15480.
    """

    def __init__(self, most: float = 10.0, steps: int = 60) -> None:
        self.most = check_number("most", most, 0.0, above=True)
        self.steps = check_integer("steps", steps, 1)

    def __call__(self, large: Any, experts: Sequence[Any], base: Any) -> np.ndarray:
        """Fuses logits.

        Args:
            large: logits `[N, K]` (or `[..., K]`) of the large model.
            experts: of each expert logits of the same shape.
            base: logits of the small model before its fine-tuning.

        Returns:
            Fused logits of that shape, float64.

        Raises:
            ValueError: if shapes differ, there is no expert, or a logit is not finite or beyond 1e300, where sums may
                be infinite.
        """
        return self._moved(large, experts, base)[0]

    def alphas(self, large: Any, experts: Sequence[Any], base: Any) -> np.ndarray:
        """The coefficients `[T, ...]` of the experts for each sample."""
        return self._moved(large, experts, base)[1]

    def _moved(self, large: Any, experts: Sequence[Any], base: Any) -> tuple[np.ndarray, np.ndarray]:
        large, base = _logits("large", large), _logits("base", base)
        if not isinstance(experts, Iterable):
            raise ValueError(f"`experts` must be a list of logits. Received: experts of type {type(experts).__name__}")
        tuned = [_logits("experts", expert) for expert in experts]
        if not tuned:
            raise ValueError("`experts` must hold logits of one or more. Received: experts=[]")
        for each in (base, *tuned):
            if each.shape != large.shape:
                raise ValueError(
                    "`experts` and `base` must be logits of the shape of `large`. "
                    f"Received: large={large.shape}, and {each.shape}"
                )
        shifts = [each - base for each in tuned]
        wanted = [_divergence(each, base) for each in tuned]
        alphas = [self._reach(large, shift, far, self.most) for shift, far in zip(shifts, wanted, strict=True)]
        total = sum(alpha[..., None] * shift for alpha, shift in zip(alphas, shifts, strict=True))
        if len(tuned) > 1:
            # Of the experts, as far as they could be followed.
            moved = [large + alpha[..., None] * shift for alpha, shift in zip(alphas, shifts, strict=True)]
            farthest = np.max([_divergence(each, large) for each in moved], axis=0)
            common = self._reach(large, total, farthest, 1.0)
            alphas, total = [common * alpha for alpha in alphas], common[..., None] * total
        return large + total, np.stack(alphas)

    def _reach(self, large: np.ndarray, shift: np.ndarray, far: np.ndarray, most: float) -> np.ndarray:
        """How much of a shift moves logits as far as is wanted, at most `most`; 0 where it moves nothing."""
        low, high = np.zeros(far.shape), np.full(far.shape, most)
        reached = _divergence(large + most * shift, large)
        for _ in range(self.steps):
            middle = (low + high) / 2
            below = _divergence(large + middle[..., None] * shift, large) < far
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        found = np.where(reached <= far, most, (low + high) / 2)
        return np.where(np.ptp(shift, axis=-1) > 0.0, found, 0.0)


def _logits(name: str, value: Any) -> np.ndarray:
    logits = check_numbers(name, value).astype("float64")
    if logits.ndim < 1 or logits.shape[-1] < 2:
        raise ValueError(f"`{name}` must be logits [..., K] of two classes or more. Received: shape {logits.shape}")
    if not np.isfinite(logits).all():
        raise ValueError(f"`{name}` must be finite. Received: {int((~np.isfinite(logits)).sum())} that are not")
    largest = float(np.abs(logits).max(initial=0.0))
    if largest > _LARGEST:
        raise ValueError(f"`{name}` must lie within {_LARGEST:g} of 0. Received: {largest:g}")
    return logits


def _divergence(logits: np.ndarray, others: np.ndarray) -> np.ndarray:
    """KL(softmax(logits) || softmax(others)), `[...]`."""
    from scipy.special import log_softmax

    p, q = log_softmax(logits, axis=-1), log_softmax(others, axis=-1)
    return np.maximum((np.exp(p) * (p - q)).sum(axis=-1), 0.0)

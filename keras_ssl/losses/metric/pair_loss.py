"""Losses of metric learning in one form, whose pairs may be positive and negative by degrees."""

from dataclasses import dataclass, fields
from typing import Any

import keras

from keras_ssl.losses.metric.checks import (
    check_entries,
    check_finite_number,
    check_finite_positive,
    check_matrix,
    check_same_shape,
)
from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["pair_loss"]


@dataclass(frozen=True)
class _Contrastive:
    margin: float = 0.5


@dataclass(frozen=True)
class _MultiSimilarity:
    positive_scale: float = 18.0
    negative_scale: float = 75.0
    margin: float = 0.77


@dataclass(frozen=True)
class _ProxyAnchor:
    scale: float = 32.0
    margin: float = 0.1


BASES: dict[str, type] = {
    "contrastive": _Contrastive,
    "multi_similarity": _MultiSimilarity,
    "proxy_anchor": _ProxyAnchor,
}


def base_settings(base: str, options: dict[str, Any]) -> Any:
    """The settings of a base loss, or an error that names what is wrong with them."""
    if base not in BASES:
        raise ValueError(f"`base` must be one of {tuple(BASES)}. Received: base={base!r}")
    known = {field.name for field in fields(BASES[base])}
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"The base loss {base!r} takes {sorted(known)}. Received: {name}={value!r}")
        (check_finite_number if name == "margin" else check_finite_positive)(name, value)
    return BASES[base](**options)


def pair_loss(
    similarities: Tensor,
    targets: Tensor,
    base: str = "multi_similarity",
    mask: Tensor | None = None,
    **options: float,
) -> Tensor:
    r"""The loss of anchors and their pairs, whose labels are 1 (positive), 0 (negative) or between.

    An anchor's loss is `sigma+(sum_j y_j rho+(s_j)) + sigma-(sum_j (1 - y_j) rho-(s_j))`, over its pairs j of
    similarity s and label y. A mixed sample that is a share y of the anchor's class is in both sums.

    | base | rho+(s) | rho-(s) | sigma+(x) | sigma-(x) |
    |---|---|---|---|---|
    | "contrastive" | `-s` | `max(0, s - m)` | x | x |
    | "multi_similarity" | `exp(-b (s - m))` | `exp(g (s - m))` | `log(1 + x) / b` | `log(1 + x) / g` |
    | "proxy_anchor" | `exp(-a (s - m))` | `exp(a (s + m))` | `log(1 + x)` | `log(1 + x)` |

    The result is the mean over the anchors. For "proxy_anchor", whose anchors are proxies, the first part is the mean
    over the proxies that have a pair of y > 0, as in the paper of that loss.

    Args:
        similarities: cosines, `[A, M]`, of A anchors and M samples.
        targets: the labels y, `[A, M]`, in [0, 1]. No gradient flows through them.
        base: "multi_similarity" (default), "contrastive" or "proxy_anchor".
        mask: 1 for pairs that count, 0 for the others (an anchor with itself), `[A, M]`. None (default): all count.
        **options: `margin` m (0.5, 0.77, 0.1 for the three bases as listed); of "multi_similarity" `positive_scale` b
            (18) and `negative_scale` g (75); of "proxy_anchor" `scale` a (32). Defaults are those of the Metrix
            paper.

    Returns:
        A scalar.

    Raises:
        ValueError: if shapes differ, the base or an option is unknown or out of range, or `targets` or `mask` have an
            entry outside [0, 1] (arrays only).

    Example:

    >>> float(pair_loss(np.array([[0.75, 0.75]]), np.array([[1.0, 0.0]]), "contrastive"))  # -0.75 + 0.25
    -0.5

    Reference:
        Venkataramanan et al., "It Takes Two to Tango: Mixup for Deep Metric Learning", ICLR 2022.
    """
    settings = base_settings(base, options)
    check_entries("targets", targets, 0.0, 1.0)
    ops = keras.ops
    s, y = as_float(check_matrix("similarities", similarities)), check_matrix("targets", targets)
    check_same_shape("similarities", s, "targets", y)
    y = ops.stop_gradient(ops.cast(y, s.dtype))
    kept = ops.ones_like(s)
    if mask is not None:
        check_entries("mask", mask, 0.0, 1.0)
        kept = ops.cast(check_matrix("mask", mask), s.dtype)
        check_same_shape("similarities", s, "mask", kept)
    positive, negative = kept * y, kept * (1.0 - y)
    m = settings.margin
    if isinstance(settings, _Contrastive):
        pulled = ops.sum(positive * -s, axis=1)
        pushed = ops.sum(negative * ops.relu(s - m), axis=1)
        return ops.mean(pulled + pushed)
    if isinstance(settings, _MultiSimilarity):
        b, g = settings.positive_scale, settings.negative_scale
        return ops.mean(_log_one_plus(positive, -b * (s - m)) / b + _log_one_plus(negative, g * (s - m)) / g)
    present = ops.cast(ops.any(positive > 0, axis=1), s.dtype)
    pulled = _log_one_plus(positive, -settings.scale * (s - m))  # 0 where nothing is present
    pushed = _log_one_plus(negative, settings.scale * (s + m))
    return ops.sum(pulled) / ops.maximum(ops.sum(present), 1.0) + ops.mean(pushed)


def _log_one_plus(weights: Tensor, exponents: Tensor) -> Tensor:
    """`log(1 + sum_j w_j exp(x_j))` of each row, without overflow."""
    ops = keras.ops
    some = weights > 0
    logs = ops.log(ops.where(some, weights, ops.ones_like(weights)))
    terms = ops.where(some, exponents + logs, ops.full_like(exponents, -1e9))
    return ops.softplus(ops.logsumexp(terms, axis=1))

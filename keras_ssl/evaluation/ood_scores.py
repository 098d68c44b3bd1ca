"""How surprised a model is by samples, and how well such scores tell two sets apart."""

import numpy as np

__all__ = ["area_under_roc", "perplexity_scores"]


def perplexity_scores(logits: np.ndarray, targets: np.ndarray | None = None) -> np.ndarray:
    """The perplexity of each sample: the higher, the less it is like the data of training.

    With targets `exp(mean_t -log p(y_t))`, over the tokens of a sequence. Without them that of the model's own
    distribution, `exp(-sum_k p_k log p_k)`, the number of classes between which it hesitates. A uniform model has the
    number of classes in both.

    Args:
        logits: of each sample `[N, K]`, or of each of its tokens `[N, T, K]`.
        targets: integers, `[N]` or `[N, T]`; a negative one (padding) does not count. Defaults to None.

    Returns:
        float64 `[N]`, at least 1; NaN for a sample without a target. Of tokens without targets, the exponential of the
        mean entropy.

    Raises:
        ValueError: if the shapes do not fit or a number is not finite or no class.

    Example:

    >>> perplexity_scores(np.zeros((2, 3, 7)), np.array([[0, 1, 2], [6, -1, -1]])).round(6).tolist()
    [7.0, 7.0]

    Reference: Wu et al., "Multi-Level Knowledge Distillation for Out-of-Distribution Detection in Text", ACL 2023,
    https://arxiv.org/abs/2211.11300.
    """
    logits = np.asarray(logits, "float64")
    if logits.ndim not in (2, 3) or not np.isfinite(logits).all():
        raise ValueError(f"`logits` must be finite, [N, K] or [N, T, K]. Received: logits.shape={logits.shape}")
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    if targets is None:
        entropy = -(np.exp(log_p) * log_p).sum(axis=-1)
        return np.exp(entropy if entropy.ndim == 1 else entropy.mean(axis=1))
    targets = np.asarray(targets)
    if (
        targets.shape != logits.shape[:-1]
        or targets.dtype.kind not in "iu"
        or targets.max(initial=0) >= log_p.shape[-1]
    ):
        raise ValueError(
            f"`targets` must be integers below {log_p.shape[-1]}, of shape {logits.shape[:-1]}. "
            f"Received: targets.shape={targets.shape}, dtype={targets.dtype}"
        )
    counted = targets >= 0
    chosen = np.take_along_axis(log_p, np.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    counted, chosen = counted.reshape(len(targets), -1), chosen.reshape(len(targets), -1)
    count = counted.sum(axis=1)
    mean = -np.where(counted, chosen, 0.0).sum(axis=1) / np.maximum(count, 1)
    return np.where(count > 0, np.exp(mean), np.nan)


def area_under_roc(inside: np.ndarray, outside: np.ndarray) -> float:
    """The probability that a sample from outside has a higher score than one from inside; equal scores count half.

    Args:
        inside: scores of samples like those of training, `[N]`.
        outside: scores of others, `[M]`.

    Returns:
        1 where all are told apart, 0.5 for scores that say nothing.

    Raises:
        ValueError: if a set is empty or holds NaN.

    Example:

    >>> area_under_roc(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    a, b = (np.asarray(scores, "float64").reshape(-1) for scores in (inside, outside))
    if not len(a) or not len(b) or np.isnan(a).any() or np.isnan(b).any():
        raise ValueError(f"Scores must be two sets without NaN. Received: {len(a)} and {len(b)} scores")
    ordered = np.sort(a)
    below, not_above = np.searchsorted(ordered, b, "left"), np.searchsorted(ordered, b, "right")
    return float((below + not_above).sum() / (2.0 * len(a) * len(b)))

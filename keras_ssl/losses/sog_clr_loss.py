"""The contrastive loss of SogCLR and iSogCLR: every sample remembers how near its negatives are on average."""

import math
from typing import NamedTuple

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.losses.view_similarities import log_sum_exp, view_similarities
from keras_ssl.typing import Tensor


class SogCLRTerms(NamedTuple):
    """What `sog_clr_terms` gives.

    Args:
        loss: scalar; its gradient is the estimator's.
        log_mean: `[N]`, the new moving averages, as logarithms, without gradient.
        slope: `[N]`, the derivative of each sample's robust loss by its temperature, without gradient and without
            the constraint's `rho`.
    """

    loss: Tensor
    log_mean: Tensor
    slope: Tensor


def sog_clr_terms(
    z1: Tensor,
    z2: Tensor,
    temperature: float | Tensor = 0.1,
    log_mean: Tensor | None = None,
    seen: Tensor | None = None,
    gamma: float = 0.9,
) -> SogCLRTerms:
    r"""The loss of SogCLR with what its state needs.

    For each of the 2N anchors `i`, rows L2-normalized, `T_i` the temperature of its sample, `E_j` the mean over the
    2N - 2 views of other samples and `u_i` the moving average of its sample:

        u_i' = (1 - gamma) u_i + gamma E_j exp(z_i.z_j / T_i)
        loss = mean_i( T_i log u_i' - z_i.z_p(i) )

    The gradient is that of `mean_i( E_j[ w_ij z_i.z_j ] - z_i.z_p(i) )` with constant `w_ij = exp(z_i.z_j / T_i) /
    u_i'`: the moving average takes the place of the batch's, so that a small batch's error averages out over the
    epochs. With `gamma=1` it is T times the decoupled contrastive loss, but for a constant. Equal embeddings give 0.

    Args:
        z1: embeddings of the first view, `[N, D]`, N at least 2.
        z2: embeddings of the second view, `[N, D]`.
        temperature: a number, or `[N]`, of each sample. Defaults to `0.1`.
        log_mean: `[N]`, `log u`; None (default) takes the batch's mean alone.
        seen: booleans `[N]`: whether `log_mean` holds anything yet; where not, the batch's mean is taken. None
            (default): all do.
        gamma: weight of the batch in the moving average, in (0, 1]. Defaults to `0.9`.

    Returns:
        `SogCLRTerms`.

    Raises:
        ValueError: if `gamma` is not in (0, 1], or a temperature that is a number is not positive.
    """
    ops = keras.ops
    if isinstance(temperature, int | float):
        check_positive("temperature", temperature)
    check_gamma(gamma)
    pairs = view_similarities(z1, z2)
    cosines, count = pairs.cosines, ops.shape(z1)[0]
    own = ops.broadcast_to(ops.cast(temperature, cosines.dtype), (count,))
    own = ops.concatenate([own, own], axis=0)
    scaled = ops.stop_gradient(cosines / ops.expand_dims(own, 1))
    negatives = ops.cast(2 * count - 2, cosines.dtype)
    estimate = log_sum_exp(scaled, excluded=pairs.same_sample) - ops.log(negatives)
    if log_mean is not None and gamma < 1:
        past = ops.cast(ops.concatenate([log_mean, log_mean], axis=0), cosines.dtype)
        mixed = ops.logaddexp(past + math.log(1.0 - gamma), estimate + math.log(gamma))
        estimate = mixed if seen is None else ops.where(ops.concatenate([seen, seen], axis=0), mixed, estimate)
    weights = ops.exp(scaled - ops.expand_dims(estimate, 1)) / negatives
    weights = ops.where(pairs.same_sample, ops.zeros_like(weights), weights)
    repulsion = ops.sum(weights * cosines, axis=1)
    # The value of the loss and the gradient of the estimator are two things.
    loss = own * estimate + repulsion - ops.stop_gradient(repulsion) - pairs.positives
    slope = estimate - ops.sum(weights * scaled, axis=1)
    first, second = ops.split(estimate, 2, axis=0)
    return SogCLRTerms(
        loss=ops.mean(loss),
        log_mean=ops.stop_gradient(ops.logaddexp(first, second) - math.log(2.0)),
        slope=ops.stop_gradient(ops.mean(ops.reshape(slope, (2, -1)), axis=0)),
    )


def sog_clr_loss(
    z1: Tensor,
    z2: Tensor,
    temperature: float | Tensor = 0.1,
    log_mean: Tensor | None = None,
    seen: Tensor | None = None,
    gamma: float = 0.9,
) -> Tensor:
    """SogCLR: a contrastive loss whose normalizer is a moving average of each sample; see `sog_clr_terms`.

    Args:
        z1, z2, log_mean, seen: as for `sog_clr_terms`.
        temperature, gamma: as for `sog_clr_terms`. Default to 0.1 and 0.9.

    Returns:
        A scalar.

    Reference:
        Yuan et al., "Provable Stochastic Optimization for Global Contrastive Learning: Small Batch Does Not Harm
        Performance", ICML 2022;
        Qiu et al., "Not All Semantics are Created Equal: Contrastive Self-supervised Learning with Automatic
        Temperature Individualization", ICML 2023.
    """
    return sog_clr_terms(z1, z2, temperature, log_mean, seen, gamma).loss


def check_gamma(gamma: float) -> float:
    """`gamma`, or an error where it is not in (0, 1]."""
    if not 0 < gamma <= 1:
        raise ValueError(f"`gamma` must lie in (0, 1]. Received: gamma={gamma}")
    return gamma

"""The losses of GroCo: group ordering constraints."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, check_integer, check_pair, l2_normalize
from keras_ssl.losses.sorting_network import soft_sort
from keras_ssl.typing import Tensor


def group_ordering_loss(positives: Tensor, negatives: Tensor, steepness: float = 1.0) -> Tensor:
    r"""All positives should rank above all negatives, in whatever order within the two groups.

    Sorts negatives and positives together by `soft_sort`; the loss is the mean, over samples and over values, of minus
    the logarithm of the probability that a value ends in the ranks of its own group: the binary cross-entropy
    against the ideal order. Each group enters the network in ascending order, so the order in which it is given does
    not matter, and the weakest positives and strongest negatives, which meet first, have the most to say.

    With one positive p and one negative n: `-log(1/2 + arctan(steepness * (p - n)) / pi)`.

    Args:
        positives: similarities `[N, P]`.
        negatives: similarities `[N, K]`.
        steepness: of the comparators. Defaults to 1, as in the authors' recipes.

    Returns:
        A scalar.

    Raises:
        ValueError: if the steepness is not positive.

    Reference:
        Shvetsova et al., "Learning by Sorting: Self-supervised Learning with Group Ordering Constraints", ICCV 2023.
    """
    ops = keras.ops
    positives, negatives = ops.sort(as_float(positives), axis=1), ops.sort(as_float(negatives, positives), axis=1)
    count = negatives.shape[1]
    _, probabilities = soft_sort(ops.concatenate([negatives, positives], axis=1), steepness)
    negatives_low = ops.sum(probabilities[:, :count, :count], axis=1)
    positives_high = ops.sum(probabilities[:, count:, count:], axis=1)
    own = ops.concatenate([negatives_low, positives_high], axis=1)
    return -ops.mean(ops.log(ops.maximum(own, 1e-12)))


def groco_loss(
    views: Sequence[Tensor],
    steepness: float = 1.0,
    negatives: int = 10,
    global_count: int | None = None,
    stop_gradient: bool = True,
) -> Tensor:
    r"""GroCo: each view should be nearer to the other views of its image than to the nearest other images.

    For each view as anchor, `group_ordering_loss` of its cosines with the other views of the same image (positives)
    and of the `negatives` largest cosines with other images, in the same view, as in the authors' code. The mean over
    the views.

    Args:
        views: embeddings of each view, `[N, D]`, of the whole global batch.
        steepness: of the comparators. Defaults to 1.
        negatives: number of hardest negatives, K < N. Defaults to 10.
        global_count: number of first views that serve as positives (with multi-crop, the global ones); None (default)
            is all.
        stop_gradient: whether only the anchors get a gradient. Defaults to True, as in the paper.

    Returns:
        A scalar.

    Raises:
        ValueError: if there are fewer than two views, or not more samples than negatives.

    Reference:
        Shvetsova et al., "Learning by Sorting: Self-supervised Learning with Group Ordering Constraints", ICCV 2023.
    """
    ops = keras.ops
    if len(views) < 2:
        raise ValueError(f"There must be at least two views. Received: {len(views)} views")
    check_negatives(negatives, views[0].shape[0])
    for view in views[1:]:
        check_pair(views[0], view)
    units = [l2_normalize(view, views[0]) for view in views]
    others = [ops.stop_gradient(unit) for unit in units] if stop_gradient else units
    rows = ops.arange(ops.shape(units[0])[0], dtype="int32")
    oneself = ops.equal(rows[:, None], rows[None, :])
    total = 0.0
    for number, anchor in enumerate(units):
        same = [ops.sum(anchor * other, axis=1) for k, other in enumerate(others[:global_count]) if k != number]
        cosines = ops.matmul(anchor, ops.transpose(others[number]))
        # Below every cosine, so that a sample is never its own negative.
        hardest, _ = ops.top_k(ops.where(oneself, ops.cast(-2.0, cosines.dtype), cosines), negatives)
        total = total + group_ordering_loss(ops.stack(same, axis=1), hardest, steepness)
    return total / len(views)


def check_negatives(negatives: int, batch_size: int | None) -> None:
    """Raises where a batch of this size (None: unknown) does not hold so many negatives."""
    check_integer("negatives", negatives, 1)
    if batch_size is not None and negatives >= batch_size:
        raise ValueError(
            "A batch must hold more samples than negatives. "
            f"Received: negatives={negatives}, a batch of {batch_size} samples"
        )

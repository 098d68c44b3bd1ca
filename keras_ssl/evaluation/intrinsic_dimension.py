"""The intrinsic dimension of a task on features: how few parameters, in random directions, nearly solve it."""

from collections.abc import Iterator

import numpy as np

from keras_ssl.evaluation.blas_threads import blas_threads
from keras_ssl.evaluation.spectrum import blocks
from keras_ssl.evaluation.stratified_subset import check_share
from keras_ssl.evaluation.validation import as_features, labeled_only, same_width
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor


def intrinsic_dimension(
    train_features: Tensor,
    train_labels: Tensor,
    features: Tensor,
    labels: Tensor,
    fraction: float = 0.9,
    regularization: float = 1e-3,
    max_dimension: int = 1000,
    seed: int = 0,
) -> float:
    r"""The smallest number of parameters that reaches a fraction of the full performance on a task.

    A linear classifier W on frozen features is not trained itself but moved along d fixed random directions,

    .. math:: W = \sum_{k \le d} \theta_k P_k,

    with independent normal `P_k`, and the smallest d whose accuracy is `fraction` of that of the freely trained
    classifier is returned: `d_90` for 0.9. The fewer, the more plainly the features lay out the classes.

    The paper trains a whole network by gradient descent in a subspace made by a Fastfood transform. Here the
    model is the linear head alone and the loss that of ridge regression on one-hot labels,

    .. math:: \frac{1}{N} \lVert X W - Y \rVert^2 + \lambda \lVert W \rVert^2,

    whose minimum in every subspace has a closed form, so that each d is tried, exactly. Features have a constant
    appended, as bias. The form is ours; the definition of `d_90` is the paper's.

    Args:
        train_features: `[N, D]`, any floating type; computed in float64.
        train_labels: integers or strings `[N]` of C classes.
        features: `[M, D]`, on which accuracy is measured.
        labels: their true labels `[M]`.
        fraction: of the full accuracy, above 0 and at most 1. Defaults to 0.9.
        regularization: `lambda`. Defaults to 1e-3.
        max_dimension: where to stop; the head has `(D + 1) * C` parameters, and the directions take that many
            times `max_dimension` numbers of memory. Defaults to 1000.
        seed: of the directions. Defaults to 0.

    Returns:
        The dimension, 0 (no training is needed) to `(D + 1) * C`; infinity if `max_dimension` does not suffice.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), or another argument
            is out of range.

    Example:

    >>> x = [[-2.0], [-1.0], [1.0], [2.0]]
    >>> intrinsic_dimension(x, [0, 0, 1, 1], x, [0, 0, 1, 1])
    2.0

    Reference:
        Aghajanyan et al., "Intrinsic Dimensionality Explains the Effectiveness of Language Model Fine-Tuning",
        ACL 2021.
    """
    train, names = labeled_only(
        "train_features", as_features("train_features", train_features), "train_labels", train_labels
    )
    classes, numbers = np.unique(names, return_inverse=True)
    test, truth = labeled_only("features", as_features("features", features), "labels", labels)
    same_width("train_features", train, "features", test)
    check_share("fraction", fraction)
    check_positive("regularization", regularization)
    max_dimension = check_integer("max_dimension", max_dimension, 1)
    seed = check_integer("seed", seed, 0)

    gram, moment = _normal_equations(train, np.eye(len(classes))[numbers])
    full = np.linalg.solve(gram + regularization * np.eye(len(gram)), moment)
    target = fraction * _accuracy(_with_bias(test) @ full, classes, truth)
    logits = np.zeros((len(test), len(classes)))
    if _accuracy(logits, classes, truth) >= target:
        return 0.0
    x = _with_bias(test)
    for number, step in enumerate(subspace_steps(gram, moment, regularization, max_dimension, seed), 1):
        logits += x @ step
        if _accuracy(logits, classes, truth) >= target:
            return float(number)
    return float("inf")


def subspace_steps(
    gram: np.ndarray, moment: np.ndarray, regularization: float, max_dimension: int, seed: int
) -> Iterator[np.ndarray]:
    """What each further random direction adds to the solution: the first d sum up to the best W in d directions.

    Made orthogonal with respect to the Hessian, directions no longer influence each other's coefficients.

    Args:
        gram: `X^T X / N`, `[D, D]`.
        moment: `X^T Y / N`, `[D, C]`.
        regularization: the weight of `||W||^2`.
        max_dimension: number of directions, fewer if W has fewer entries.
        seed: of the directions.

    Yields:
        `[D, C]` at a time.
    """
    count = min(max_dimension, moment.size)
    directions = np.random.default_rng(seed).standard_normal((count, *moment.shape))
    hessian = gram + regularization * np.eye(len(gram))
    flat = directions.reshape(count, -1)
    with blas_threads(flat.size):
        product = np.einsum("de,kec->kdc", hessian, directions, optimize=True).reshape(count, -1)
        factor = np.linalg.cholesky(product @ flat.T)
        orthogonal = np.linalg.solve(factor, flat)
    for direction, size in zip(orthogonal, orthogonal @ moment.ravel(), strict=True):
        yield size * direction.reshape(moment.shape)


def _with_bias(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1).astype(np.float64)


def _normal_equations(features: np.ndarray, hot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    width = features.shape[1] + 1
    gram, moment, start = np.zeros((width, width)), np.zeros((width, hot.shape[1])), 0
    for block in blocks(features):
        x = _with_bias(block)
        gram += x.T @ x
        moment += x.T @ hot[start : start + len(x)]
        start += len(x)
    return gram / len(features), moment / len(features)


def _accuracy(logits: np.ndarray, classes: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean(classes[logits.argmax(axis=1)] == truth))

"""The linear probe: how well a linear classifier on frozen features does."""

import numpy as np

from keras_ssl.evaluation.blas_threads import blas_threads
from keras_ssl.evaluation.validation import as_features, as_labels, same_width
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor


def linear_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    regularization: float = 1e-3,
    max_iter: int = 500,
) -> float:
    r"""Accuracy of a multinomial logistic regression on standardised features.

    Each dimension is brought to mean 0 and standard deviation 1 on the training set (constant dimensions are
    left out), then L-BFGS minimises

    .. math:: \frac{1}{N} \sum_n -\log p(y_n \mid x_n) + \frac{\lambda}{2} \lVert W \rVert^2

    by scikit-learn in float64. The problem is convex, so the result depends on no seed, step size or order.

    Args:
        train_features: `[N, D]`, any floating type.
        train_labels: integers or strings `[N]`. With a single class, that class is the prediction.
        test_features: `[M, D]`.
        test_labels: `[M]`. A class that the training set lacks counts as an error.
        regularization: the weight decay `lambda`; it applies to the mean loss, so it need not change with N.
            Defaults to 1e-3.
        max_iter: most iterations of L-BFGS; scikit-learn warns where they do not suffice. Defaults to 500.

    Returns:
        The top-1 accuracy on the test features, 0 to 1.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), or
            `regularization` or `max_iter` is not positive.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> linear_probe([[0.0], [1.0], [4.0], [5.0]], [0, 0, 1, 1], [[0.5], [4.5]], [0, 1])
    1.0
    """
    train, labels, test, truth = probe_data(train_features, train_labels, test_features, test_labels)
    check_probe(regularization, max_iter)
    return accuracy_of_probe(train, labels, test, truth, regularization, max_iter)


def probe_data(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, test_labels: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The checked features and labels of the training and of the test part."""
    train = as_features("train_features", train_features)
    labels = as_labels("train_labels", train_labels, len(train))
    test = as_features("test_features", test_features)
    truth = as_labels("test_labels", test_labels, len(test))
    same_width("train_features", train, "test_features", test)
    return train, labels, test, truth


def accuracy_of_probe(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray, regularization: float, max_iter: int
) -> float:
    """`linear_probe` of data and settings that are checked already."""
    if (labels == labels[0]).all():
        return float(np.mean(truth == labels[0]))
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ImportError("linear_probe needs scikit-learn: pip install scikit-learn") from error

    # Numbers rather than names: scikit-learn takes no labels of bytes.
    classes, numbers = np.unique(labels, return_inverse=True)
    train, test = train.astype(np.float64), test.astype(np.float64)
    mean, scale = standardization(train)
    probe = LogisticRegression(C=1 / (regularization * len(train)), max_iter=max_iter)
    with blas_threads(train.size):
        probe.fit((train - mean) * scale, numbers)
    return float(np.mean(classes[probe.predict((test - mean) * scale)] == truth))


def standardization(train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What to take off each dimension, and what to multiply it by then; 0 for one that is constant."""
    mean, std = train.mean(axis=0), train.std(axis=0)
    # A dimension whose spread is rounding error would be blown up to full size.
    return mean, np.where(std > 1e-6 * np.abs(mean), 1 / np.where(std > 0, std, 1), 0)


def check_probe(regularization: float, max_iter: int) -> None:
    """Raises if the settings of a probe are out of range."""
    check_positive("regularization", regularization)
    check_integer("max_iter", max_iter, 1)

"""The linear probe: how well a linear classifier on frozen features does."""

import numpy as np

from keras_ssl.evaluation.blas_threads import blas_threads
from keras_ssl.evaluation.validation import as_features, labeled_only, same_width
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
    r"""Accuracy of a multinomial logistic regression on standardized features.

    Each dimension is brought to mean 0 and standard deviation 1 on the training set (constant dimensions are
    left out), then L-BFGS minimizes

    .. math:: \frac{1}{N} \sum_n -\log p(y_n \mid x_n) + \frac{\lambda}{2} \lVert W \rVert^2

    by scikit-learn in float64. The problem is convex, so the result depends on no seed, step size or order.

    Args:
        train_features: `[N, D]`, any floating type.
        train_labels: integers or strings `[N]`. With a single class, that class is the prediction. Samples of -1
            (unlabeled) are left out, here and of the test part.
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


def linear_predict(
    train_features: Tensor,
    train_labels: Tensor,
    features: Tensor,
    regularization: float = 1e-3,
    max_iter: int = 500,
) -> np.ndarray:
    """Classifies features by the classifier of `linear_probe`; for `class_recall` and `balanced_accuracy`.

    Args:
        train_features: `[N, D]`, any floating type.
        train_labels: integers or strings `[N]`. Samples of -1 (unlabeled) are left out.
        features: what is classified, `[M, D]`.
        regularization: as in `linear_probe`. Defaults to 1e-3.
        max_iter: as in `linear_probe`. Defaults to 500.

    Returns:
        The predicted labels `[M]`, of the type of `train_labels`.

    Raises:
        ValueError: as `linear_probe`.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> linear_predict([[0.0], [1.0], [4.0], [5.0]], ["low", "low", "high", "high"], [[0.5], [4.5]]).tolist()
    ['low', 'high']
    """
    train, labels, test = _classified_data(train_features, train_labels, features)
    check_probe(regularization, max_iter)
    return predictions_of_probe(train, labels, test, regularization, max_iter)


def linear_probabilities(
    train_features: Tensor,
    train_labels: Tensor,
    features: Tensor,
    regularization: float = 1e-3,
    max_iter: int = 500,
) -> np.ndarray:
    """The predicted distributions of the classifier of `linear_probe`, for measures of calibration.

    Args:
        train_features: `[N, D]`, any floating type.
        train_labels: integers or strings `[N]`. Samples of -1 (unlabeled) are left out.
        features: what is classified, `[M, D]`.
        regularization: as in `linear_probe`. Defaults to 1e-3.
        max_iter: as in `linear_probe`. Defaults to 500.

    Returns:
        float64 `[M, K]`, whose columns are the classes of the training part, sorted (`numpy.unique`).

    Raises:
        ValueError: as `linear_probe`.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> linear_probabilities([[0.0], [1.0], [4.0], [5.0]], ["low", "low", "high", "high"], [[2.5]]).round(3).tolist()
    [[0.5, 0.5]]
    """
    train, labels, test = _classified_data(train_features, train_labels, features)
    check_probe(regularization, max_iter)
    _, found = _fitted(train, labels, test, regularization, max_iter, probabilities=True)
    return found


def _classified_data(
    train_features: Tensor, train_labels: Tensor, features: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labeled part, its labels, and what is classified, checked."""
    train, labels = labeled_only(
        "train_features", as_features("train_features", train_features), "train_labels", train_labels
    )
    test = as_features("features", features)
    same_width("train_features", train, "features", test)
    return train, labels, test


def probe_data(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, test_labels: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The checked features and labels of the labelled samples of the training and of the test part."""
    train, labels = labeled_only(
        "train_features", as_features("train_features", train_features), "train_labels", train_labels
    )
    test, truth = labeled_only("test_features", as_features("test_features", test_features), "test_labels", test_labels)
    same_width("train_features", train, "test_features", test)
    return train, labels, test, truth


def accuracy_of_probe(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray, regularization: float, max_iter: int
) -> float:
    """`linear_probe` of data and settings that are checked already."""
    return float(np.mean(predictions_of_probe(train, labels, test, regularization, max_iter) == truth))


def predictions_of_probe(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, regularization: float, max_iter: int
) -> np.ndarray:
    """`linear_predict` of data and settings that are checked already."""
    classes, found = _fitted(train, labels, test, regularization, max_iter, probabilities=False)
    return classes[found]


def _fitted(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, regularization: float, max_iter: int, probabilities: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The classes, and of each test sample the number of its class or the probabilities of all."""
    if (labels == labels[0]).all():
        return labels[:1], np.ones((len(test), 1)) if probabilities else np.zeros(len(test), int)
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
    scaled = (test - mean) * scale
    return classes, probe.predict_proba(scaled) if probabilities else probe.predict(scaled)


def standardization(train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What to take off each dimension, and what to multiply it by then; 0 for one that is constant."""
    mean, std = train.mean(axis=0), train.std(axis=0)
    # A dimension whose spread is rounding error would be blown up to full size.
    return mean, np.where(std > 1e-6 * np.abs(mean), 1 / np.where(std > 0, std, 1), 0)


def check_probe(regularization: float, max_iter: int) -> None:
    """Raises if the settings of a probe are out of range."""
    check_positive("regularization", regularization)
    check_integer("max_iter", max_iter, 1)

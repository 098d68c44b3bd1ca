"""Distillation of the geometry of a batch: distances and angles between samples, similarity matrices."""

import keras

from keras_ssl.losses.numeric import as_float, check_positive, l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["angle_distillation_loss", "distance_distillation_loss", "similarity_matrix_loss"]


def distance_distillation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD's distance loss: the Huber loss between the distances of all pairs of samples, each divided by their mean.

    The mean is over pairs of different samples, and so is that of the Huber loss (of threshold 1), over all ordered
    pairs, a sample with itself included, as in the authors' code. Widths may differ. No gradient flows to the teacher.

    Args:
        student: features, `[N, D]`.
        teacher: features, `[N, E]`.

    Returns:
        A scalar, at least 0.

    Raises:
        ValueError: if the features are not two matrices with as many rows.

    Example:

    >>> x = keras.ops.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> float(distance_distillation_loss(x, 5.0 * x)) < 1e-6  # the scale is divided out
    True

    Reference: Park et al., "Relational Knowledge Distillation", CVPR 2019.
    """
    _check(student, teacher)
    ops = keras.ops
    s, t = _relative_distances(as_float(student)), _relative_distances(ops.stop_gradient(as_float(teacher, student)))
    return ops.mean(_huber(s - t))


def angle_distillation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD's angle loss: the Huber loss between the cosines of the angles of all triples of samples.

    For samples i, j, k the cosine of the angle at i, between the directions to j and to k; a direction of length 0 has
    the cosine 0. The mean is over all ordered triples. Widths may differ. No gradient flows to the teacher. Memory
    grows with N^3.

    Args:
        student: features, `[N, D]`.
        teacher: features, `[N, E]`.

    Returns:
        A scalar, at least 0.

    Raises:
        ValueError: if the features are not two matrices with as many rows.

    Reference: Park et al., "Relational Knowledge Distillation", CVPR 2019.
    """
    _check(student, teacher)
    ops = keras.ops
    return ops.mean(_huber(_cosines(as_float(student)) - _cosines(ops.stop_gradient(as_float(teacher, student)))))


def similarity_matrix_loss(student: Tensor, teacher: Tensor, temperature: float | None = None) -> Tensor:
    """Match of the matrices of cosine similarities of features: between the tokens of a sample, or between samples.

    Without a temperature the mean squared difference of the matrices; with one the mean KL divergence of their rows,
    `softmax(cosine / T)`, of teacher to student. Widths may differ, and a rotation of either space changes nothing. No
    gradient flows to the teacher.

    Args:
        student: features, `[N, D]`, or tokens `[N, T, D]`, of which each sample has a matrix of its own.
        teacher: features, `[N, E]`, or tokens `[N, T, E]`.
        temperature: T > 0. Defaults to None: squared differences.

    Returns:
        A scalar, at least 0.

    Raises:
        ValueError: if the shapes do not fit, or the temperature is not positive.

    Example:

    >>> x = np.random.RandomState(0).normal(size=(4, 3)).astype("float32")
    >>> float(similarity_matrix_loss(x, x @ np.linalg.qr(x[:3])[0])) < 1e-6
    True

    Reference: Wu et al., "Multi-Level Knowledge Distillation for Out-of-Distribution Detection in Text", ACL 2023.
    """
    ops = keras.ops
    if len(student.shape) not in (2, 3) or tuple(student.shape[:-1]) != tuple(teacher.shape[:-1]):
        raise ValueError(
            "Features must be [N, D], or tokens [N, T, D], with as many samples and tokens. "
            f"Received: shapes {tuple(student.shape)} and {tuple(teacher.shape)}"
        )
    s, t = l2_normalize(student), ops.stop_gradient(l2_normalize(teacher, student))
    of_student = ops.matmul(s, ops.swapaxes(s, -1, -2))
    of_teacher = ops.matmul(t, ops.swapaxes(t, -1, -2))
    if temperature is None:
        return ops.mean(ops.square(of_student - of_teacher))
    check_positive("temperature", temperature)
    p, q = ops.log_softmax(of_teacher / temperature, axis=-1), ops.log_softmax(of_student / temperature, axis=-1)
    return ops.mean(ops.sum(ops.exp(p) * (p - q), axis=-1))


def _check(student: Tensor, teacher: Tensor) -> None:
    if len(student.shape) != 2 or len(teacher.shape) != 2 or student.shape[0] != teacher.shape[0]:
        raise ValueError(
            "Features must be two matrices with as many rows. "
            f"Received: shapes {tuple(student.shape)} and {tuple(teacher.shape)}"
        )


def _huber(difference: Tensor) -> Tensor:
    ops = keras.ops
    size = ops.abs(difference)
    return ops.where(size < 1.0, 0.5 * ops.square(difference), size - 0.5)


def _relative_distances(x: Tensor) -> Tensor:
    """Distances of all pairs over their mean; the root has the gradient 0 at equal points."""
    ops = keras.ops
    square = ops.sum(ops.square(x[:, None, :] - x[None, :, :]), axis=2)
    positive = square > 0.0
    distance = ops.where(positive, ops.sqrt(ops.where(positive, square, ops.ones_like(square))), 0.0)
    count = ops.sum(ops.cast(positive, distance.dtype))
    mean = ops.sum(distance) / ops.maximum(count, 1.0)
    return distance / ops.where(mean > 0.0, mean, 1.0)


def _cosines(x: Tensor) -> Tensor:
    """`[N, N, N]`: at i, between the directions to j and to k."""
    ops = keras.ops
    directions = l2_normalize(x[None, :, :] - x[:, None, :])
    return ops.matmul(directions, ops.swapaxes(directions, 1, 2))

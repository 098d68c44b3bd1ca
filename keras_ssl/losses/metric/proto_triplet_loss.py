"""The triplet loss of queries and class prototypes."""

from typing import Any

import keras

from keras_ssl.losses.metric.checks import check_labels, check_matrix, check_weight
from keras_ssl.losses.metric.distances import euclidean_distances
from keras_ssl.losses.numeric import as_float, check_classes, check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["ProtoTripletLoss", "proto_triplet_loss"]

NEGATIVES = ("nearest", "all")


def proto_triplet_loss(
    queries: Tensor, labels: Tensor, prototypes: Tensor, margin: float = 0.5, negatives: str = "nearest"
) -> Tensor:
    r"""Each query should be nearer to the prototype of its class than to all others, by a margin.

    With d the Euclidean distances of query q to the prototypes, and y its class:

    - "nearest": `max(0, d_y - min_{c != y} d_c + margin)`;
    - "all": `mean_{c != y} max(0, d_y - d_c + margin)`.

    Args:
        queries: embeddings `[Q, D]`, taken as they are.
        labels: the queries' classes, integers `[Q]`, from 0 to C - 1. A negative label is unlabeled, with loss 0.
        prototypes: `[C, D]`, C at least 2, usually the means of each class's support. Of one sample each, this is
            the ordinary triplet loss.
        margin: not negative, a distance. Defaults to 0.5, as in the authors' code.
        negatives: "nearest" (default), as in the authors' code, or "all".

    Returns:
        The loss of each query, float32 `[Q]`.

    Raises:
        ValueError: if shapes do not fit, labels are not integers, `margin` is negative or `negatives` unknown.

    Example:

    >>> loss = proto_triplet_loss(np.array([[0.0, 0.0]]), np.array([0]), np.array([[1.0, 0.0], [0.0, 1.25]]))
    >>> float(loss[0])
    0.25

    Reference:
        Mendez-Ruiz et al., "SuSana Distancia is all you need: Enforcing class separability in metric learning via two
        novel distance-based loss functions for few-shot image classification", 2023.
    """
    check_weight("margin", margin)
    if negatives not in NEGATIVES:
        raise ValueError(f"`negatives` must be one of {NEGATIVES}. Received: negatives={negatives!r}")
    ops = keras.ops
    queries = as_float(check_matrix("queries", queries))
    prototypes = ops.cast(check_matrix("prototypes", prototypes), queries.dtype)
    labels = check_labels("labels", labels, queries.shape[0])
    count = prototypes.shape[0]
    if count is None or count < 2 or prototypes.shape[1] != queries.shape[1]:
        raise ValueError(
            "`prototypes` must be [C, D] of at least two classes, as wide as the queries. "
            f"Received: prototypes.shape={tuple(prototypes.shape)}, queries.shape={tuple(queries.shape)}"
        )
    distances = euclidean_distances(queries, prototypes)
    labels = check_classes("labels", labels, queries.shape[:1], count)
    own = ops.equal(labels[:, None], ops.arange(count, dtype="int32")[None, :])
    mask = ops.cast(own, distances.dtype)
    near = ops.sum(mask * distances, axis=1)
    if negatives == "nearest":
        far = ops.min(ops.where(own, ops.full_like(distances, 1e30), distances), axis=1)
        loss = ops.relu(near - far + margin)
    else:
        loss = ops.sum((1.0 - mask) * ops.relu(near[:, None] - distances + margin), axis=1) / (count - 1)
    return ops.where(labels >= 0, loss, ops.zeros_like(loss))


@keras.saving.register_keras_serializable(package="keras_ssl")
class ProtoTripletLoss(Configured, keras.losses.Loss):
    """`proto_triplet_loss` of an episode, as a loss of Keras.

    An episode is one batch: `ways * shots` support samples first, in any order, then the queries. Labels are numbers
    of the episode's classes, from 0 to `ways - 1`. A prototype is the mean of the embeddings of a class's support;
    the gradient flows through it.

    Args:
        ways: classes of an episode, at least 2.
        shots: support samples of each class. Defaults to 1.
        margin: not negative. Defaults to 0.5.
        negatives: "nearest" (default) or "all".
        reduction: over the queries. Defaults to their mean.
        **kwargs: `name`, `dtype`, as for `keras.losses.Loss`.

    Raises:
        ValueError: if an argument is out of range, or a batch has no query.

    Example:

    >>> loss = ProtoTripletLoss(ways=2)
    >>> float(loss(np.array([0, 1, 0]), np.array([[1.0, 0.0], [0.0, 1.25], [0.0, 0.0]])))
    0.25

    Reference:
        Mendez-Ruiz et al., "SuSana Distancia is all you need: Enforcing class separability in metric learning via two
        novel distance-based loss functions for few-shot image classification", 2023.
    """

    def __init__(
        self,
        ways: int,
        shots: int = 1,
        margin: float = 0.5,
        negatives: str = "nearest",
        reduction: str = "sum_over_batch_size",
        name: str = "proto_triplet_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.ways, self.shots = check_integer("ways", ways, 2), check_integer("shots", shots, 1)
        self.margin = check_weight("margin", margin)
        if negatives not in NEGATIVES:
            raise ValueError(f"`negatives` must be one of {NEGATIVES}. Received: negatives={negatives!r}")
        self.negatives = negatives

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        ops = keras.ops
        support = self.ways * self.shots
        embeddings = as_float(check_matrix("y_pred", y_pred))
        count = embeddings.shape[0]
        if count is not None and count <= support:
            raise ValueError(
                f"A batch must hold {support} support samples and at least one query. Received: {count} samples"
            )
        labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        members = ops.cast(ops.one_hot(labels[:support], self.ways), embeddings.dtype)
        sums = ops.matmul(ops.transpose(members), embeddings[:support])
        prototypes = sums / ops.maximum(ops.sum(members, axis=0), 1.0)[:, None]
        return proto_triplet_loss(embeddings[support:], labels[support:], prototypes, self.margin, self.negatives)

"""Clusters of a memory bank that follow it from step to step."""

from typing import Any

import keras

from keras_ssl.layers.state_layer import Plan, StateLayer
from keras_ssl.losses.numeric import check_integer, l2_normalize
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class OnlineClusters(StateLayer):
    """A label for each sample and a centroid for each cluster, brought up to date with the samples of every batch.

    `update` gives each sample of the batch the label of its nearest centroid, and makes each centroid the normalized
    mean of its members in the bank (spherical k-means, a batch at a time). A cluster without members is moved onto a
    random sample of the batch first, so that all clusters are used. Labels of samples not yet seen are -1. The
    labels are integers, the centroids float32; both are saved with the model.

    Args:
        size: number of samples of the data set.
        count: number of clusters.
        dimension: width of an embedding.

    Raises:
        ValueError: if an argument is not a positive integer.
    """

    def __init__(self, size: int, count: int, dimension: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (("size", size), ("count", count), ("dimension", dimension)):
            check_integer(name, value, 1)
        self.size, self.count, self.dimension = int(size), int(count), int(dimension)
        self._labels = self.add_weight(
            name="labels",
            shape=(self.size,),
            dtype="int32",
            initializer=lambda shape, dtype=None: -keras.ops.ones(shape, dtype=dtype),
            trainable=False,
            aggregation="only_first_replica",
        )
        self._centroids = self.add_weight(
            name="centroids", shape=(self.count, self.dimension), initializer="zeros", trainable=False
        )
        self.built = True

    @property
    def labels(self) -> Tensor:
        """The cluster of each sample, int32 `[size]`; -1 where it was never seen."""
        return keras.ops.convert_to_tensor(self._labels)

    @property
    def centroids(self) -> Tensor:
        """`[count, dimension]`; unit vectors, or zero before a cluster is first used."""
        return keras.ops.convert_to_tensor(self._centroids)

    def update(self, rows: Tensor, index: Tensor, draws: Tensor, updated: Tensor | bool = True) -> None:
        """Brings labels and centroids up to date, where `updated` is true.

        Args:
            rows: all rows of the bank, `[size, dimension]`, with those of the batch already renewed.
            index: the samples of the batch, `[N]`.
            draws: a random number for each, `[N]`: the order in which empty clusters take them.
            updated: whether the step updated the model.
        """
        ops = keras.ops
        labels, index = self.labels, ops.clip(ops.cast(index, "int32"), 0, self.size - 1)
        batch = ops.take(rows, index, axis=0)
        centroids = self._filled(labels, batch, draws)
        nearest = ops.cast(ops.argmax(ops.matmul(batch, ops.transpose(centroids)), axis=1), "int32")
        renewed = ops.scatter_update(labels, index[:, None], nearest)
        means = self._means(rows, renewed, centroids)
        self._labels.assign(ops.where(updated, renewed, labels))
        self._centroids.assign(ops.where(updated, means, self.centroids))

    def _sizes(self, labels: Tensor, values: Tensor) -> Tensor:
        """Sums of `values` `[size, ...]` by cluster; samples without a label go to one more, which is dropped."""
        places = keras.ops.where(labels < 0, self.count, labels)
        return keras.ops.segment_sum(values, places, num_segments=self.count + 1)[: self.count]

    def _filled(self, labels: Tensor, batch: Tensor, draws: Tensor) -> Tensor:
        """The centroids, those of empty clusters moved onto samples of the batch, one each as far as they go."""
        ops = keras.ops
        empty = ops.equal(self._sizes(labels, ops.ones_like(labels)), 0)
        turn = ops.cumsum(ops.cast(empty, "int32")) - 1
        count = ops.shape(batch)[0]
        candidates = ops.take(batch, ops.argsort(draws), axis=0)
        taken = ops.take(candidates, ops.clip(turn, 0, count - 1), axis=0)
        return ops.where(ops.logical_and(empty, turn < count)[:, None], taken, self.centroids)

    def _means(self, rows: Tensor, labels: Tensor, centroids: Tensor) -> Tensor:
        """The normalized mean of each cluster's members; an empty cluster stays where it is."""
        sums = l2_normalize(self._sizes(labels, rows))
        return keras.ops.where(keras.ops.any(keras.ops.not_equal(sums, 0.0), axis=1, keepdims=True), sums, centroids)

    def advice(self, plan: Plan) -> list[str]:
        if 2 * self.count <= self.size:
            return []
        return [
            f"`clusters={self.count}`: {self.size} samples make clusters of fewer than two, in which no sample finds "
            f"another; `clusters={max(self.size // 100, 2)}` would suit."
        ]

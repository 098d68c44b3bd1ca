"""What the contrastive losses of several views share: every cosine, and which rows belong together."""

from typing import NamedTuple

import keras

from keras_ssl.losses.numeric import as_float, check_pair, l2_normalize
from keras_ssl.typing import Tensor


class ViewSimilarities(NamedTuple):
    """The cosines of all views of all samples with one another; row `v * N + i` is view `v` of sample `i`.

    Args:
        cosines: `[V * N, V * N]`.
        sample: number of the sample that a row is a view of, int32 `[V * N]`.
        view: number of the view, int32 `[V * N]`.
        partner: row of the next view of the same sample, int32 `[V * N]`: of two views, the other one.
    """

    cosines: Tensor
    sample: Tensor
    view: Tensor
    partner: Tensor

    @property
    def oneself(self) -> Tensor:
        """Booleans `[V * N, V * N]`: a row against itself."""
        return keras.ops.logical_and(self.same_sample, self.same_view)

    @property
    def same_sample(self) -> Tensor:
        """Booleans `[V * N, V * N]`: two views of one sample, or a row against itself."""
        return equal_pairs(self.sample)

    @property
    def same_view(self) -> Tensor:
        """Booleans `[V * N, V * N]`: two samples in the same view."""
        return equal_pairs(self.view)

    @property
    def positives(self) -> Tensor:
        """The cosine of every row with its partner, `[V * N]`."""
        return entries(self.cosines, self.partner)


def view_similarities(*views: Tensor) -> ViewSimilarities:
    """The cosines of two or more views of the same samples, each `[N, D]`.

    Raises:
        ValueError: for fewer than two views, or views that are not matrices of one shape.
    """
    if len(views) < 2:
        raise ValueError(f"A contrastive loss needs two or more views of every sample. Received: {len(views)} views")
    parts = [as_float(view, views[0]) for view in views]
    for part in parts[1:]:
        check_pair(parts[0], part)
    z = l2_normalize(keras.ops.concatenate(parts, axis=0))
    count = keras.ops.shape(parts[0])[0]
    rows = keras.ops.arange(len(views) * count, dtype="int32")
    return ViewSimilarities(
        cosines=keras.ops.matmul(z, keras.ops.transpose(z)),
        sample=keras.ops.mod(rows, count),
        view=keras.ops.floor_divide(rows, count),
        partner=keras.ops.mod(rows + count, len(views) * count),
    )


def equal_pairs(numbers: Tensor) -> Tensor:
    """Booleans `[N, N]`: whether two of `numbers` `[N]` are equal."""
    return keras.ops.equal(keras.ops.expand_dims(numbers, 1), keras.ops.expand_dims(numbers, 0))


def entries(matrix: Tensor, columns: Tensor) -> Tensor:
    """The entry of each row of `matrix` `[N, M]` in its own column, `[N]`."""
    return keras.ops.take_along_axis(matrix, keras.ops.expand_dims(columns, 1), axis=1)[:, 0]


def log_sum_exp(logits: Tensor, excluded: Tensor | None = None) -> Tensor:
    """`log sum_j exp(logits[:, j])` over the entries that are not `excluded`, `[N]`.

    A row with nothing left gives about -1e9, which stands for the logarithm of nothing.
    """
    if excluded is not None:
        # `where`, not a large product: 1e9 times zero is NaN once the 1e9 has overflowed.
        logits = keras.ops.where(excluded, keras.ops.cast(-1e9, logits.dtype), logits)
    return keras.ops.logsumexp(logits, axis=1)

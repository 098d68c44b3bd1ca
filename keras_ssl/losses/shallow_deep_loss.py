"""What keeps the places of a deep feature map as similar to each other as those of a shallow one."""

import keras

from keras_ssl.losses.numeric import as_float, check_integer, l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["shallow_deep_loss"]


def shallow_deep_loss(
    shallow: Tensor,
    deep: Tensor,
    activations: Tensor,
    labels: Tensor,
    prototypes_per_class: int,
    threshold: float = 0.1,
) -> Tensor:
    r"""Shallow-deep feature alignment: deep places may be similar only where shallow ones are.

    Deep places see the whole image, so that a prototype can be found at a place that does not show its part; shallow
    ones are bound to their place. With the cosines :math:`S_{pq}` between places p and q of the shallow map (without
    gradient) and :math:`D_{pq}` of the deep one,

    .. math:: \operatorname{mean}_{n, j, q} \max(|D_{p q} - S_{p q}| - t, 0), \quad p = \arg\max_p a_{njp}

    over the images n, the prototypes j of their class, and all places q. A shallow map that is larger, by a whole
    factor, gives each place of the deep grid all vectors of its cell, one after another, as in the authors' code.

    Args:
        shallow: map of an early layer, `[N, r H, r W, C1]`.
        deep: map of the last layer, `[N, H, W, C2]`.
        activations: of the prototypes, `[N, H, W, K * m]`, as `ProtoPNetHead.activations` gives them.
        labels: class numbers, `[N]`.
        prototypes_per_class: m.
        threshold: t, differences up to which cost nothing, not negative. Defaults to 0.1, that of the authors' code.

    Returns:
        A scalar, float32.

    Raises:
        ValueError: if shapes do not fit, or an argument is out of range.

    Example:

    >>> deep = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype("float32")
    >>> float(shallow_deep_loss(2 * deep, deep, np.ones((2, 3, 3, 6), "float32"), np.array([0, 2]), 2))
    0.0

    Reference:
        Huang et al., "Evaluation and Improvement of Interpretability for Self-Explainable Part-Prototype Networks",
        ICCV 2023.
    """
    ops, count = keras.ops, check_integer("prototypes_per_class", prototypes_per_class, 1)
    if not 0 <= threshold < float("inf"):
        raise ValueError(f"`threshold` must be finite and not negative. Received: threshold={threshold}")
    shallow, deep = ops.stop_gradient(as_float(shallow, deep)), as_float(deep)
    activations = as_float(activations, deep)
    shapes = [tuple(part.shape) for part in (shallow, deep, activations)]
    fits = all(len(shape) == 4 and None not in shape[1:] for shape in shapes)
    fits = fits and shapes[1][1:3] == shapes[2][1:3] and not shapes[2][3] % count
    fits = fits and all(a % b == 0 and a // b == shapes[0][1] // shapes[1][1] for a, b in _sides(shapes))
    if not fits:
        raise ValueError(
            "`shallow` [N, r H, r W, C1], `deep` [N, H, W, C2] and `activations` [N, H, W, K * m] must fit. "
            f"Received: shapes {shapes[0]}, {shapes[1]}, {shapes[2]}, prototypes_per_class={count}"
        )
    height, width = shapes[1][1:3]
    factor, classes, places = shapes[0][1] // height, shapes[2][3] // count, height * width
    cells = ops.reshape(shallow, (-1, height, factor, width, factor, shapes[0][3]))
    cells = ops.reshape(ops.transpose(cells, (0, 1, 3, 2, 4, 5)), (-1, places, factor * factor * shapes[0][3]))
    deep = ops.reshape(deep, (-1, places, shapes[1][3]))
    similar = [_cosines(part) for part in (cells, deep)]
    # The prototypes of each image's class, and the place at which each is found.
    by_class = ops.reshape(activations, (-1, places, classes, count))
    own = ops.cast(labels, "int32")[:, None, None, None]
    chosen = ops.take_along_axis(by_class, own + ops.zeros_like(by_class[:, :, :1], dtype="int32"), axis=2)[:, :, 0]
    found = ops.argmax(ops.stop_gradient(chosen), axis=1)[:, :, None]  # [N, m, 1]
    rows = ops.cast(found, "int32") + ops.zeros((1, 1, places), dtype="int32")
    first, second = (ops.take_along_axis(part, rows, axis=1) for part in similar)
    return ops.mean(ops.relu(ops.abs(second - first) - threshold))


def _cosines(vectors: Tensor) -> Tensor:
    """`[N, P, P]` of vectors `[N, P, C]`."""
    unit = l2_normalize(vectors)
    return keras.ops.matmul(unit, keras.ops.transpose(unit, (0, 2, 1)))


def _sides(shapes: list[tuple[int, ...]]) -> list[tuple[int, int]]:
    return list(zip(shapes[0][1:3], shapes[1][1:3], strict=True))

"""Turn, zoom and shift images or maps by a linear map of coordinates."""

from keras import ops

from keras_ssl.typing import Tensor


def turn_and_zoom(angles: Tensor, zooms: Tensor) -> Tensor:
    """The matrices that turn the plane by angles and stretch it: `zoom * [[cos, -sin, 0], [sin, cos, 0]]`.

    Args:
        angles: in radians, `[N]`; they turn the x axis (right) towards the y axis (down).
        zooms: factors, `[N]`.

    Returns:
        float32 `[N, 2, 3]`.

    Example:

    >>> [float(turn_and_zoom([0.0], [2.0])[0, row, row]) for row in (0, 1)]
    [2.0, 2.0]
    """
    angles, zooms = (ops.cast(ops.convert_to_tensor(value), "float32") for value in (angles, zooms))
    cosine, sine, zero = zooms * ops.cos(angles), zooms * ops.sin(angles), ops.zeros_like(angles)
    rows = [ops.stack([cosine, -sine, zero], axis=1), ops.stack([sine, cosine, zero], axis=1)]
    return ops.stack(rows, axis=1)


def affine_warp(images: Tensor, matrices: Tensor, outside: str = "edge") -> Tensor:
    """Gives each pixel of the result the value of another point of the image, between pixels by bilinear weights.

    Coordinates run from -1 to 1 over the image, x to the right and y downward, whatever its size: so the same matrices
    warp an image and a smaller map of it. The point (x, y) of the result shows the point `matrix @ (x, y, 1)` of the
    image: a zoom of 2 shows the image at half its size.

    Args:
        images: `[N, H, W, C]`.
        matrices: `[N, 2, 3]`.
        outside: what lies around the image: "edge" (default) repeats its border, "zero" is 0.

    Returns:
        A tensor of the shape and dtype of `images`.

    Raises:
        ValueError: if `outside` is unknown.

    Example:

    >>> image = ops.reshape(ops.arange(4.0), (1, 2, 2, 1))  # [[0, 1], [2, 3]]
    >>> mirrored = affine_warp(image, [[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> ops.convert_to_numpy(mirrored)[0, :, :, 0].tolist()
    [[1.0, 0.0], [3.0, 2.0]]
    """
    if outside not in ("edge", "zero"):
        raise ValueError(f'`outside` must be "edge" or "zero". Received: outside={outside!r}')
    images = ops.convert_to_tensor(images)
    matrices = ops.cast(ops.convert_to_tensor(matrices), "float32")
    height, width, channels = images.shape[1:]
    x = (2.0 * ops.arange(width, dtype="float32") + 1.0) / float(width) - 1.0
    y = (2.0 * ops.arange(height, dtype="float32") + 1.0) / float(height) - 1.0
    points = ops.stack([ops.tile(x[None, :], (height, 1)), ops.tile(y[:, None], (1, width))], axis=0)
    points = ops.reshape(points, (1, 2, height * width))
    source = ops.sum(matrices[:, :, :2, None] * points[:, None], axis=2) + matrices[:, :, 2:]
    column = ((source[:, 0] + 1.0) * float(width) - 1.0) / 2.0
    row = ((source[:, 1] + 1.0) * float(height) - 1.0) / 2.0
    left, top = ops.floor(column), ops.floor(row)
    flat = ops.reshape(images, (-1, channels))
    first = ops.arange(ops.shape(images)[0], dtype="int32")[:, None] * (height * width)
    warped = ops.zeros_like(images)
    for down in (0.0, 1.0):
        for right in (0.0, 1.0):
            r, c = top + down, left + right
            weight = (1.0 - ops.abs(row - r)) * (1.0 - ops.abs(column - c))
            near_r, near_c = ops.clip(r, 0.0, height - 1.0), ops.clip(c, 0.0, width - 1.0)
            if outside == "zero":
                weight = ops.where(ops.logical_and(ops.equal(r, near_r), ops.equal(c, near_c)), weight, 0.0)
            place = first + ops.cast(near_r, "int32") * width + ops.cast(near_c, "int32")
            seen = ops.reshape(ops.take(flat, ops.reshape(place, (-1,)), axis=0), (-1, height, width, channels))
            warped = warped + seen * ops.cast(ops.reshape(weight, (-1, height, width, 1)), images.dtype)
    return warped

"""Whether prototypes of parts mean one part, and the same part under noise."""

from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.interpretability.checks import as_numbers
from keras_ssl.evaluation.validation import as_labels
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["part_hits", "prototype_consistency", "prototype_locations", "prototype_stability", "stability_noise"]


def prototype_locations(activations: Tensor, image_size: int | tuple[int, int]) -> np.ndarray:
    """Where each prototype is found: the middle of the place of its largest activation, in pixels of the image.

    Of equal places the first counts, row by row.

    Args:
        activations: `[N, H, W, P]`, as `ProtoPNetHead.activations` gives them.
        image_size: side of the images in pixels, or (height, width).

    Returns:
        float64 `[N, P, 2]`: row and column.

    Raises:
        ValueError: if activations are no finite maps, or the size is not positive.

    Example:

    >>> maps = np.zeros((1, 4, 4, 1))
    >>> maps[0, 1, 3, 0] = 1.0
    >>> prototype_locations(maps, 8).tolist()
    [[[3.0, 7.0]]]
    """
    maps = as_numbers("activations", activations, 4)
    sides = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
    if len(sides) != 2:
        raise ValueError(f"`image_size` must be a side or (height, width). Received: image_size={image_size!r}")
    height, width = (check_integer("image_size", side, 1) for side in sides)
    count, rows, columns, prototypes = maps.shape
    best = maps.reshape(count, rows * columns, prototypes).argmax(axis=1)
    return np.stack([(best // columns + 0.5) * height / rows, (best % columns + 0.5) * width / columns], axis=-1)


def part_hits(locations: Tensor, parts: Tensor, visible: Tensor | None = None, box: float = 72.0) -> np.ndarray:
    """Which parts lie in the box around each prototype's place.

    Args:
        locations: row and column of each prototype, `[N, P, 2]`, in pixels.
        parts: row and column of each annotated part, `[N, K, 2]`, in pixels.
        visible: which parts are seen, bool `[N, K]`. Defaults to None: all.
        box: side of the box in pixels; a part on its edge lies in it. Defaults to 72, the paper's for images of 224.

    Returns:
        bool `[N, P, K]`; False where a part is not visible.

    Raises:
        ValueError: if shapes do not fit, or `box` is not positive.

    Example:

    >>> part_hits([[[10.0, 10.0]]], [[[12.0, 9.0], [40.0, 10.0]]], box=8).tolist()
    [[[True, False]]]
    """
    box = check_number("box", box, 0.0, above=True)
    found, places, seen = _geometry(locations, parts, visible)
    near = np.abs(found[:, :, None] - places[:, None]).max(axis=-1) <= box / 2
    return near & seen[:, None]


def prototype_consistency(
    locations: Tensor,
    parts: Tensor,
    labels: Tensor,
    prototype_classes: Tensor,
    visible: Tensor | None = None,
    box: float = 72.0,
    threshold: float = 0.8,
) -> float:
    r"""The share of prototypes that stand for one part: in most images of their class they lie on it.

    For a prototype of class c, the rate of part k is the number of images of class c in which the prototype's box holds
    the part, divided by the number of those in which the part is visible. The prototype is consistent where the highest
    rate is at least `threshold`.

    Args:
        locations: row and column of each prototype, `[N, P, 2]`, in pixels, as `prototype_locations` gives them.
        parts: row and column of each annotated part, `[N, K, 2]`, in pixels.
        labels: classes of the images, `[N]`.
        prototype_classes: classes of the prototypes, `[P]`.
        visible: which parts are seen, bool `[N, K]`. Defaults to None: all.
        box: side of the box around a place, in pixels. Defaults to 72, the paper's for images of 224.
        threshold: above 0 and at most 1. Defaults to 0.8, the paper's.

    Returns:
        The share, 0 to 1. Prototypes of classes without images are left out; NaN if there are no others.

    Raises:
        ValueError: if shapes do not fit, or an argument is out of range.

    Example:

    >>> places = np.zeros((4, 1, 2))
    >>> prototype_consistency(places, places + 3, [0] * 4, [0], box=8)
    1.0

    Reference:
        Huang et al., "Evaluation and Improvement of Interpretability for Self-Explainable Part-Prototype Networks",
        ICCV 2023.
    """
    threshold = check_number("threshold", threshold, 0.0, 1.0, above=True)
    found, places, seen = _geometry(locations, parts, visible)
    hits = part_hits(found, places, seen, box)
    consistent = []
    for prototype, images in _images_of(labels, prototype_classes, found):
        rate = hits[images, prototype].sum(axis=0) / np.maximum(seen[images].sum(axis=0), 1)
        consistent.append(bool((rate >= threshold).any()))
    return float(np.mean(consistent)) if consistent else float("nan")


def prototype_stability(
    locations: Tensor,
    noisy_locations: Tensor,
    parts: Tensor,
    labels: Tensor,
    prototype_classes: Tensor,
    visible: Tensor | None = None,
    box: float = 72.0,
) -> float:
    """How often prototypes lie on the same parts when noise is added to the images.

    For each prototype, the share of the images of its class in which exactly the same parts lie in its box with noise
    and without; the mean over prototypes.

    Args:
        locations: row and column of each prototype, `[N, P, 2]`, in pixels.
        noisy_locations: the same of the images with `stability_noise`, `[N, P, 2]`.
        parts: row and column of each annotated part, `[N, K, 2]`, in pixels.
        labels: classes of the images, `[N]`.
        prototype_classes: classes of the prototypes, `[P]`.
        visible: which parts are seen, bool `[N, K]`. Defaults to None: all.
        box: side of the box around a place, in pixels. Defaults to 72, the paper's for images of 224.

    Returns:
        The share, 0 to 1. Prototypes of classes without images are left out; NaN if there are no others.

    Raises:
        ValueError: if shapes do not fit, or `box` is not positive.

    Example:

    >>> places, parts = np.array([[[5.0, 5.0]], [[5.0, 5.0]]]), np.array([[[4.0, 4.0]], [[4.0, 4.0]]])
    >>> moved = np.array([[[5.0, 6.0]], [[5.0, 50.0]]])
    >>> prototype_stability(places, moved, parts, [0, 0], [0], box=8)
    0.5

    Reference:
        Huang et al., "Evaluation and Improvement of Interpretability for Self-Explainable Part-Prototype Networks",
        ICCV 2023.
    """
    found, places, seen = _geometry(locations, parts, visible)
    noisy = as_numbers("noisy_locations", noisy_locations, 3)
    if noisy.shape != found.shape:
        raise ValueError(
            f"`noisy_locations` must have the shape of `locations`, {found.shape}. "
            f"Received: noisy_locations.shape={noisy.shape}"
        )
    same = (part_hits(found, places, seen, box) == part_hits(noisy, places, seen, box)).all(axis=-1)
    stable = [same[images, prototype].mean() for prototype, images in _images_of(labels, prototype_classes, found)]
    return float(np.mean(stable)) if stable else float("nan")


def stability_noise(images: Tensor, std: float = 0.2, limit: float = 0.25, seed: int = 0) -> np.ndarray:
    """Images with the noise by which stability is measured: normal, cut off at `limit`, on the scale of the images.

    Args:
        images: floating, in [0, 1]; what leaves that range is cut off.
        std: standard deviation of the noise. Defaults to 0.2, the paper's.
        limit: largest size of the noise. Defaults to 0.25, the paper's.
        seed: of the noise. Defaults to 0.

    Returns:
        float32, of the shape of `images`.

    Raises:
        ValueError: if images leave [0, 1], or an argument is out of range.

    Example:

    >>> noisy = stability_noise(np.full((1, 2, 2, 1), 0.5))
    >>> bool(np.abs(noisy - 0.5).max() <= 0.25)
    True
    """
    array = as_numbers("images", images)
    if array.min() < 0 or array.max() > 1:
        raise ValueError(f"`images` must lie in [0, 1]. Received: images from {array.min():g} to {array.max():g}")
    std, limit = check_number("std", std, 0.0), check_number("limit", limit, 0.0)
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    noise = np.clip(std * rng.standard_normal(array.shape), -limit, limit)
    return np.clip(array + noise, 0.0, 1.0).astype(np.float32)


def _geometry(locations: Any, parts: Any, visible: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found, places = as_numbers("locations", locations, 3), np.asarray(parts, np.float64)
    if found.shape[-1] != 2 or places.ndim != 3 or places.shape[::2] != (len(found), 2) or not places.size:
        raise ValueError(
            "`locations` must be [N, P, 2] and `parts` [N, K, 2]. "
            f"Received: locations.shape={found.shape}, parts.shape={places.shape}"
        )
    seen = np.ones(places.shape[:2], bool) if visible is None else np.asarray(visible)
    if seen.shape != places.shape[:2] or not np.isin(seen, (0, 1)).all():
        raise ValueError(f"`visible` must be booleans [N, K]. Received: visible.shape={seen.shape}")
    seen = seen.astype(bool)
    if not np.isfinite(places[seen]).all():
        raise ValueError("`parts` must be finite where they are visible. Received: parts with NaN or infinity")
    return found, np.where(seen[..., None], places, 0.0), seen


def _images_of(labels: Any, prototype_classes: Any, locations: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Each prototype with the images of its class, where there are any."""
    truth = as_labels("labels", labels, len(locations))
    classes = as_labels("prototype_classes", prototype_classes, locations.shape[1])
    pairs = [(number, np.flatnonzero(truth == name)) for number, name in enumerate(classes)]
    return [(number, images) for number, images in pairs if len(images)]

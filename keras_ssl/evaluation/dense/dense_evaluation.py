"""All that the features of patches are measured by, in one call."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.evaluation.dense.attentive_probe import attentive_probe
from keras_ssl.evaluation.dense.object_discovery import object_discovery
from keras_ssl.evaluation.dense.patch_correspondence import patch_correspondence, shifted_views
from keras_ssl.evaluation.dense.patch_features import patch_features
from keras_ssl.evaluation.dense.segmentation import knn_segmentation, linear_segmentation
from keras_ssl.evaluation.validation import as_images
from keras_ssl.typing import Tensor

__all__ = ["dense_evaluation"]

DENSE_PROTOCOLS = ("linear_segmentation", "knn_segmentation", "object_discovery", "patch_correspondence", "attentive")
"""What `dense_evaluation` measures, by name: all but the last two need masks, the last needs labels."""

_MASKED = DENSE_PROTOCOLS[:3]


def dense_evaluation(
    model: keras.Model,
    x: Tensor,
    x_test: Tensor,
    *,
    masks: Tensor | None = None,
    masks_test: Tensor | None = None,
    objects_test: Tensor | None = None,
    y: Tensor | None = None,
    y_test: Tensor | None = None,
    protocols: Sequence[str] | None = None,
    k: int = 20,
    temperature: float = 0.07,
    batch_size: int = 256,
    seed: int = 0,
) -> dict[str, float]:
    """Measures the features of patches by several protocols, computing the features once.

    - `linear_segmentation`, `knn_segmentation`: mean intersection over union, of `masks` and `masks_test`;
    - `object_discovery`: `corloc`, `ari` and `ari_foreground` of `objects_test`;
    - `patch_correspondence`: of the test images and their `shifted_views`, at tolerance 0;
    - `attentive`: accuracy of `attentive_probe` on `y` and `y_test`.

    Args:
        model: as for `patch_features`.
        x: training images, `[N, H, W, C]`.
        x_test: test images, `[M, H, W, C]`.
        masks: classes of the pixels of `x`, `[N, H, W]`; -1 is not labeled. Defaults to None.
        masks_test: those of `x_test`.
        objects_test: numbers of the objects in the pixels of `x_test`. Defaults to None: `masks_test`, which serves
            where no image shows two objects of a class.
        y: labels `[N]`. Defaults to None.
        y_test: labels `[M]`.
        protocols: names of the above. Defaults to None: all for which there are masks or labels.
        k: neighbors of `knn_segmentation`. Defaults to 20.
        temperature: of their weights. Defaults to 0.07.
        batch_size: images in a batch. Defaults to 256.
        seed: of all that is drawn. Defaults to 0.

    Returns:
        The figures by name.

    Raises:
        ValueError: if a protocol is unknown or lacks its masks or labels, or as the functions named.

    Example:

    >>> images, masks = keras_ssl.data.digit_scenes("test", size=24, count=12)
    >>> encoder = keras_ssl.encoders.ConvNet((4, 8))
    >>> found = dense_evaluation(encoder, images[:8], images[8:], masks=masks[:8], masks_test=masks[8:])
    >>> sorted(found)
    ['ari', 'ari_foreground', 'corloc', 'knn_segmentation', 'linear_segmentation', 'patch_correspondence']
    """
    has = {name: masks is not None and masks_test is not None for name in _MASKED}
    has["object_discovery"] = masks_test is not None or objects_test is not None
    has |= {"patch_correspondence": True, "attentive": y is not None and y_test is not None}
    if protocols is None:
        protocols = [name for name in DENSE_PROTOCOLS if has[name]]
    unknown = sorted(set(protocols) - set(DENSE_PROTOCOLS))
    if unknown or not protocols:
        raise ValueError(f"`protocols` must be among {DENSE_PROTOCOLS}. Received: protocols={list(protocols)}")
    for name in protocols:
        if not has[name]:
            needed = "`y` and `y_test`" if name == "attentive" else "`masks` and `masks_test`"
            raise ValueError(f"The protocol {name} needs {needed}. Received: None")
    train_needed = {"linear_segmentation", "knn_segmentation", "attentive"} & set(protocols)
    train: Any = patch_features(model, x, batch_size) if train_needed else None
    test = patch_features(model, x_test, batch_size)
    found: dict[str, float] = {}
    for name in protocols:
        if name == "linear_segmentation":
            found[name] = linear_segmentation(train, masks, test, masks_test, seed=seed)
        elif name == "knn_segmentation":
            found[name] = knn_segmentation(train, masks, test, masks_test, k, temperature, seed=seed)
        elif name == "object_discovery":
            found |= object_discovery(test, masks_test if objects_test is None else objects_test)
        elif name == "attentive":
            found[name] = attentive_probe(train, y, test, y_test, seed=seed)
        else:
            images = as_images("x_test", x_test)
            side = images.shape[1] // test.shape[1]
            height, width = side * test.shape[1], side * test.shape[2]
            views = shifted_views(np.asarray(images)[:, :height, :width], side, seed=seed)
            first, second = (patch_features(model, view, batch_size) for view in (views.first, views.second))
            found[name] = patch_correspondence(first, second, views.places)
    return found

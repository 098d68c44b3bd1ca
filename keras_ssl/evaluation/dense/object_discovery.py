"""Object discovery: what the features of patches know of objects without any labels."""

import numpy as np

from keras_ssl.evaluation.dense.adjusted_rand_index import adjusted_rand_index
from keras_ssl.evaluation.dense.corloc import corloc
from keras_ssl.evaluation.dense.foreground import token_cut
from keras_ssl.evaluation.dense.patch_labels import pixel_labels
from keras_ssl.evaluation.dense.segmentation import as_places
from keras_ssl.evaluation.validation import as_feature_maps, l2_normalized
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["cluster_patches", "object_discovery"]


def cluster_patches(features: Tensor, clusters: int, iterations: int = 20) -> np.ndarray:
    """Groups the patches of each image by the directions of their features: spherical k-means, image by image.

    The first center is the patch nearest to the mean, each further one the patch least like all centers so far, so that
    nothing is drawn. An image with fewer kinds of patches has fewer groups.

    Args:
        features: `[N, rows, columns, D]`.
        clusters: number of groups, at most the patches of an image.
        iterations: of k-means, at most. Defaults to 20.

    Returns:
        numbers of the groups, int64 `[N, rows, columns]`.

    Raises:
        ValueError: if features are not finite, or an argument is out of range.

    Example:

    >>> cluster_patches(np.eye(2)[[[[0, 0, 1]]]], 2).tolist()
    [[[0, 0, 1]]]
    """
    maps = as_feature_maps("features", features)
    clusters = check_integer("clusters", clusters, 1, maps.shape[1] * maps.shape[2])
    iterations = check_integer("iterations", iterations, 1)
    found = []
    for places in maps:
        unit = l2_normalized(places.reshape(-1, places.shape[-1]))
        chosen = [int((unit @ unit.mean(axis=0)).argmax())]
        while len(chosen) < clusters:
            chosen.append(int((unit @ unit[chosen].T).max(axis=1).argmin()))
        centers, labels = unit[chosen], np.full(len(unit), -1)
        for _ in range(iterations):
            nearest = (unit @ centers.T).argmax(axis=1)
            if (nearest == labels).all():
                break
            labels = nearest
            sums = np.stack([unit[labels == k].sum(axis=0) for k in range(clusters)])
            filled = np.abs(sums).sum(axis=1, keepdims=True) > 0
            centers = np.where(filled, l2_normalized(sums), centers)
        found.append(labels.reshape(places.shape[:2]))
    return np.stack(found)


def object_discovery(features: Tensor, masks: Tensor, clusters: int | None = None) -> dict[str, float]:
    """Measures how well objects come out of the features of patches, without any training.

    Args:
        features: `[N, rows, columns, D]`: those of patches, or of the places of a feature map.
        masks: numbers of objects in the pixels, integers `[N, H, W]`: 0 is the background, -1 not labeled.
        clusters: groups of patches in each image. Defaults to None: the largest number of labels in a mask.

    Returns:
        `corloc`: `corloc` of the region that `token_cut` finds; `ari`: `adjusted_rand_index` of the groups of
        `cluster_patches`, each pixel in that of its patch; `ari_foreground`: the same without the background.

    Raises:
        ValueError: if shapes do not fit, features are not finite, or no mask shows an object.

    Example:

    >>> features, masks = np.eye(3)[[[[0, 0, 1], [0, 0, 2]]]], np.array([[[0, 0, 1], [0, 0, 2]]])
    >>> object_discovery(features, masks)
    {'corloc': 1.0, 'ari': 1.0, 'ari_foreground': 1.0}
    """
    maps, pixels = as_places("features", features, "masks", masks)
    if clusters is None:
        clusters = max(len(np.unique(mask[mask != -1])) for mask in pixels)
        clusters = min(max(clusters, 1), maps.shape[1] * maps.shape[2])
    groups = pixel_labels(cluster_patches(maps, clusters), *pixels.shape[1:])
    region = pixel_labels(token_cut(maps).astype(np.int64), *pixels.shape[1:]) == 1
    return {
        "corloc": corloc(region, pixels),
        "ari": adjusted_rand_index(groups, pixels),
        "ari_foreground": adjusted_rand_index(groups, pixels, background=0),
    }

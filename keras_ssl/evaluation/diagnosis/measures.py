"""Measures of a few embeddings, views and images that the doctor takes and others have no use for."""

import numpy as np

from keras_ssl.evaluation.diagnosis.evidence import Embedding
from keras_ssl.evaluation.feature_std import feature_std
from keras_ssl.evaluation.spectrum import effective_rank, singular_values
from keras_ssl.evaluation.validation import l2_normalized

_SAME = 0.99  # cosine above which two embeddings are one point
_FEW = 4  # samples that a class must have to say something


def measure_embedding(embedding: np.ndarray) -> Embedding:
    """How embeddings `[N, D]` lie; NaN, and no points, where one of them is not finite."""
    if not np.isfinite(embedding).all():
        return Embedding(len(embedding), embedding.shape[1], spread=np.nan, rank=np.nan, points=0)
    unit = l2_normalized(embedding.astype("float64"))
    return Embedding(
        samples=len(unit),
        width=unit.shape[1],
        spread=feature_std(unit),
        rank=effective_rank(singular_values(unit - unit.mean(axis=0)), 1e-7),
        points=count_points(unit @ unit.T > _SAME),
    )


def count_points(joined: np.ndarray) -> int:
    """Number of connected parts of the graph with the adjacency `joined`, booleans `[N, N]`."""
    label = np.arange(len(joined))
    while True:
        lowest = np.where(joined, label, len(label)).min(axis=1)
        lowest = np.minimum(lowest, label)
        if (lowest == label).all():
            return len(np.unique(label))
        label = lowest


def perplexity(choices: np.ndarray) -> float:
    """How many different numbers there are among integers `[N]`, each weighted by its share: exp of the entropy."""
    shares = np.unique(choices, return_counts=True)[1] / len(choices)
    return float(np.exp(-np.sum(shares * np.log(shares))))


def difference_of_views(first: np.ndarray, second: np.ndarray) -> float:
    """Mean distance of two views `[N, ...]` of an image over the mean distance of two images; 0 for equal views."""
    first, second = (view.reshape(len(view), -1).astype("float64") for view in (first, second))
    own = np.linalg.norm(first - second, axis=1).mean()
    others = np.linalg.norm(first - np.roll(second, 1, axis=0), axis=1).mean()
    return float(own / others) if others else 0.0


def difference_of_images(view: np.ndarray) -> float:
    """Mean over the pixels of their standard deviation over the images `[N, ...]`, over the range of all values."""
    flat = view.reshape(len(view), -1).astype("float64")
    reach = flat.max() - flat.min()
    return float(flat.std(axis=0).mean() / reach) if reach else 0.0


def label_share(images: np.ndarray, labels: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """The largest share of any pixel's variance that lies between classes (eta squared), and that pixel.

    0 for pixels that do not vary, 1 for one that tells the class. Classes of fewer than 4 samples, and labels of -1,
    are left out; with fewer than two classes left it is 0.
    """
    flat = images.reshape(len(images), -1).astype("float64")
    classes = [label for label in np.unique(labels) if label != -1 and np.sum(labels == label) >= _FEW]
    if len(classes) < 2:
        return 0.0, ()
    kept = flat[np.isin(labels, classes)]
    total = np.square(kept - kept.mean(axis=0)).sum(axis=0)
    within = sum(np.square(flat[labels == c] - flat[labels == c].mean(axis=0)).sum(axis=0) for c in classes)
    share = np.where(total > 1e-9, 1.0 - within / np.maximum(total, 1e-9), 0.0)
    place = int(np.argmax(share))
    return float(share[place]), tuple(int(i) for i in np.unravel_index(place, images.shape[1:]))

"""Retrieval: whether the nearest features are of the same class, all the way down the list."""

from collections.abc import Sequence

import numpy as np

from keras_ssl.evaluation.validation import as_features, l2_normalized, labeled_only, same_width
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

_BLOCK = 2**22  # similarities in memory at a time


def retrieval(
    features: Tensor,
    labels: Tensor,
    query_features: Tensor | None = None,
    query_labels: Tensor | None = None,
    ks: Sequence[int] = (1, 5, 10),
) -> dict[str, float]:
    r"""Mean average precision and recall at k of retrieval by cosine similarity.

    Every query ranks the whole gallery; what has its class is relevant. Average precision is the mean, over the
    relevant ones, of the precision at their rank,

    .. math:: \mathrm{AP} = \frac{1}{R} \sum_{r=1}^{R} \frac{r}{\operatorname{rank}_r},

    and `"map"` its mean over queries. `"recall@k"` is, as usual in metric learning, the fraction of queries with a
    relevant one among the first k (not the fraction of relevant ones that are found). Both are 1 at best. Random
    features have a mean average precision of about the frequency of the classes.

    The ranking is exact; of equally similar ones the one that comes first in the gallery is ranked first. A feature
    of zeros has similarity 0 to everything. A query to which nothing in the gallery is relevant says nothing and is
    left out of all means. Queries are worked off in blocks: beside normalized copies of the features about 100 MB
    are in use.

    Args:
        features: the gallery, `[N, D]`, any floating type; computed in float32 (float64 stays float64).
        labels: integers or strings `[N]`. Samples of -1 (unlabeled) are left out, here and of the queries.
        query_features: `[M, D]`. Defaults to `None`: each feature of the gallery queries all others.
        query_labels: `[M]`, given with `query_features`.
        ks: values of k, each at most the number of features that are ranked. Defaults to 1, 5 and 10.

    Returns:
        `{"map": ..., "recall@1": ..., ...}`, each 0 to 1.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), only one of the query
            arguments is given, a k is not in range, or no query has anything relevant.

    Example:

    >>> retrieval([[1.0, 0.0], [0.0, 1.0]], ["a", "b"], [[1.0, 0.2]], ["b"], ks=[1, 2])
    {'map': 0.5, 'recall@1': 0.0, 'recall@2': 1.0}

    Reference:
        Recall at k: Song et al., "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016.
    """
    if (query_features is None) != (query_labels is None):
        given = {True: "None", False: "array"}
        raise ValueError(
            "Arguments `query_features` and `query_labels` go together. Received: "
            f"query_features={given[query_features is None]}, query_labels={given[query_labels is None]}"
        )
    gallery, names = labeled_only("features", as_features("features", features), "labels", labels)
    among_themselves = query_features is None
    if among_themselves:
        queries, wanted = gallery, names
    else:
        queries, wanted = labeled_only(
            "query_features", as_features("query_features", query_features), "query_labels", query_labels
        )
        same_width("features", gallery, "query_features", queries)
    ranked = len(gallery) - among_themselves
    for k in ks:
        if check_integer("ks", k, 1) > ranked:
            raise ValueError(f"Argument `ks` must not exceed the {ranked} features that are ranked. Received: ks={ks}")

    keys = l2_normalized(gallery)
    rows = max(1, _BLOCK // len(keys))
    precisions, firsts = [], []
    for start in range(0, len(queries), rows):
        similarity = l2_normalized(queries[start : start + rows]) @ keys.T
        if among_themselves:
            similarity[np.arange(len(similarity)), np.arange(start, start + len(similarity))] = -np.inf
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :ranked]
        relevant = names[order] == wanted[start : start + rows, np.newaxis]
        relevant = relevant[relevant.any(axis=1)]
        precision = np.cumsum(relevant, axis=1) / np.arange(1, ranked + 1)
        precisions.append(np.sum(precision * relevant, axis=1) / relevant.sum(axis=1))
        firsts.append(relevant.argmax(axis=1))
    precision, first = np.concatenate(precisions), np.concatenate(firsts)
    if not len(precision):
        raise ValueError(
            "No query has a relevant feature: none shares its class with another. "
            f"Received: labels with {len(np.unique(names))} classes for {len(names)} features"
        )
    return {"map": float(precision.mean()), **{f"recall@{k}": float(np.mean(first < k)) for k in ks}}

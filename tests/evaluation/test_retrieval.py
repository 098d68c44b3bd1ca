import sys

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from keras_ssl.evaluation import retrieval
from tests.evaluation.streams import mixture


def slow_retrieval(gallery, labels, queries, wanted, ks, skip_self=False):
    """One query at a time; average precision by scikit-learn."""
    precisions, hits = [], {k: [] for k in ks}
    for number, (query, label) in enumerate(zip(queries, wanted, strict=True)):
        kept = [i for i in range(len(gallery)) if not (skip_self and i == number)]
        cosine = [gallery[i] @ query / np.linalg.norm(gallery[i]) / np.linalg.norm(query) for i in kept]
        relevant = labels[kept] == label
        if not relevant.any():
            continue
        precisions.append(average_precision_score(relevant, cosine))
        ranked = relevant[np.argsort(-np.array(cosine), kind="stable")]
        for k in ks:
            hits[k].append(ranked[:k].any())
    return {"map": np.mean(precisions), **{f"recall@{k}": np.mean(hits[k]) for k in ks}}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_scikit_learn(dtype, monkeypatch):
    gallery, labels = mixture(120, dtype=dtype)
    queries, wanted = mixture(60, seed=1, dtype=dtype)
    wanted[0] = 77  # nothing is relevant to it
    exact = [a.astype("float64") for a in (gallery, queries)]
    split = slow_retrieval(exact[0], labels, exact[1], wanted, (1, 5, 10))
    among = slow_retrieval(exact[0], labels, exact[0], labels, (1, 3), skip_self=True)
    for rows in (None, 1, 7):
        if rows:
            monkeypatch.setattr(sys.modules[retrieval.__module__], "_BLOCK", rows * 120)
        assert retrieval(gallery, labels, queries, wanted) == pytest.approx(split, abs=1e-5)
        assert retrieval(gallery, labels, ks=(1, 3)) == pytest.approx(among, abs=1e-5)
    assert 0.4 < split["map"] < split["recall@1"] < split["recall@5"]


def test_worked_example():
    """Relevant at ranks 1 and 3: (1 + 2/3) / 2."""
    gallery = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [1.0, 0.3]]
    found = retrieval(gallery, ["a", "b", "a", "b"], [[1.0, 0.0]], ["a"], ks=[1, 2])
    assert found == pytest.approx({"map": 5 / 6, "recall@1": 1, "recall@2": 1})
    found = retrieval(gallery, ["a", "b", "a", "b"], [[1.0, 0.0]], ["b"], ks=[1, 2])
    assert found == pytest.approx({"map": 1 / 2, "recall@1": 0, "recall@2": 1})


def test_odd_input():
    assert retrieval(np.eye(3), [4, 4, 4], ks=[1, 2]) == {"map": 1.0, "recall@1": 1.0, "recall@2": 1.0}
    # Zeros are equally far from all: the gallery's own order.
    found = retrieval(np.zeros((4, 2)), list("abba"), np.zeros((1, 2)), ["b"], ks=[1, 4])
    assert found == pytest.approx({"map": (1 / 2 + 2 / 3) / 2, "recall@1": 0, "recall@4": 1})


def test_equally_near_ones_keep_the_order_of_the_gallery():
    """Of one-hot features most are tied: each query ranks by (cosine, place), and AP is the mean of r / rank_r."""
    rng = np.random.default_rng(0)
    columns, labels = rng.integers(0, 4, 40), rng.integers(0, 3, 40)
    precisions, firsts = [], []
    for query in range(40):
        others = [i for i in range(40) if i != query]
        ranked = sorted(others, key=lambda i: (columns[i] != columns[query], i))
        ranks = [rank for rank, i in enumerate(ranked, 1) if labels[i] == labels[query]]
        precisions.append(np.mean([r / rank for r, rank in enumerate(ranks, 1)]))
        firsts.append(ranks[0] == 1)
    found = retrieval(np.eye(4)[columns], labels, ks=[1])
    assert found == pytest.approx({"map": np.mean(precisions), "recall@1": np.mean(firsts)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ks": [1, 3]}, r"`ks` must not exceed the 2 features.*Received: ks=\[1, 3\]"),
        ({"ks": [0]}, r"Received: ks=0"),
        ({"labels": [0, 1, 2]}, r"Received: labels with 3 classes for 3 features"),
        ({"query_features": np.eye(3)}, r"Received: query_features=array, query_labels=None"),
        ({"query_features": np.ones((1, 2)), "query_labels": [0]}, r"same dimension"),
        ({"query_features": np.full((1, 3), np.nan), "query_labels": [0]}, r"`query_features` must be finite"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        retrieval(**{"features": np.eye(3), "labels": [0, 1, 1], "ks": [1]} | change)

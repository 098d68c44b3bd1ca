"""What holds of every classifier with `partial_fit`."""

import sys

import numpy as np
import pytest

from keras_ssl.evaluation import NaiveBayesProbe, NearestMeanClassifier, RecursiveRidge
from tests.evaluation.streams import mixture, stream

PROBES = [NearestMeanClassifier, NaiveBayesProbe, lambda: NaiveBayesProbe(shared_variance=False), RecursiveRidge]
each = pytest.mark.parametrize("probe", PROBES, ids=["mean", "bayes", "bayes per class", "ridge"])


@each
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_stream_equals_joint_training(probe, dtype):
    features, labels = mixture(dtype=dtype)
    joint = probe().fit(features, labels)
    for seed in (0, 1):
        streamed = stream(probe(), features, labels, seed)
        np.testing.assert_array_equal(streamed.classes_, joint.classes_)
        np.testing.assert_allclose(
            streamed.decision_function(features), joint.decision_function(features), rtol=1e-8, atol=1e-8
        )


@each
def test_a_stream_sorted_by_class(probe):
    """New classes in mid-stream, in an order that is not the sorted one; names longer than those before."""
    features, labels = mixture()
    names = np.array(["d", "a longer name", "cc", "b"])[labels]
    joint, streamed = probe().fit(features, names), probe()
    for name in ("cc", "d", "b", "a longer name"):
        streamed.partial_fit(features[names == name], names[names == name])
    assert streamed.classes_.tolist() == ["a longer name", "b", "cc", "d"]
    np.testing.assert_array_equal(streamed.predict(features), joint.predict(features))
    numbers = probe().fit(features, labels)
    np.testing.assert_allclose(
        joint.decision_function(features)[:, [3, 0, 2, 1]], numbers.decision_function(features), atol=1e-8
    )


@each
def test_blocks_change_nothing(probe, monkeypatch):
    features, labels = mixture()
    expected = probe().fit(features, labels).decision_function(features)
    monkeypatch.setattr(sys.modules["keras_ssl.evaluation.spectrum"], "_BLOCK", 6 * 7)
    np.testing.assert_allclose(probe().fit(features, labels).decision_function(features), expected, atol=1e-8)


@each
def test_fit_forgets(probe):
    features, labels = mixture()
    used = probe().fit(features[:, :3] + 5, labels.astype(str)).fit(features, labels)
    np.testing.assert_array_equal(
        used.decision_function(features), probe().fit(features, labels).decision_function(features)
    )
    assert used.score(features, labels) == np.mean(used.predict(features) == labels) > 0.5


@each
def test_odd_input(probe):
    one = probe().fit(np.ones((3, 2)), ["a"] * 3)
    assert one.predict([[9.0, -1.0], [0.0, 0.0]]).tolist() == ["a", "a"]
    alike = probe().fit(np.ones((3, 2)), [1, 2, 2])
    assert alike.predict([[1.0, 1.0]])[0] in (1, 2)
    assert np.isfinite(alike.decision_function([[1.0, 1.0], [2.0, 0.0], [0.0, 0.0]])).all()
    zeros = probe().fit(np.zeros((4, 2)), [0, 1, 0, 1])
    assert np.isfinite(zeros.decision_function(np.zeros((1, 2)))).all()
    assert probe().fit([[1.0], [2.0]], [7, 9]).score([[1.0]], [100]) == 0


@each
def test_bad_input(probe):
    features, labels = mixture()
    with pytest.raises(ValueError, match=r"call `fit` first"):
        probe().predict(features)
    learned = probe().fit(features, labels)
    before = learned.decision_function(features)
    for arguments, message in [
        ((features[:, :2], labels), r"dimension of earlier batches \(6\). Received: features.shape=\(300, 2\)"),
        ((features, labels.astype(str)), r"of one kind.*Received: labels.dtype=<U\d+ after int64"),
        ((features, labels[1:]), r"Received: labels.shape=\(299,\)"),
        ((np.full((2, 6), np.nan), labels[:2]), r"must be finite.*row 0 \(2 such rows\)"),
        ((features[:0], labels[:0]), r"at least one sample"),
    ]:
        with pytest.raises(ValueError, match=message):
            learned.partial_fit(*arguments)
    with pytest.raises(ValueError, match=r"Received: features.shape=\(1, 2\)"):
        learned.predict(np.ones((1, 2)))
    np.testing.assert_array_equal(learned.decision_function(features), before)  # what was refused left no trace

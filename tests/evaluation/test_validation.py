import numpy as np
import pytest

from keras_ssl.evaluation.validation import as_features, as_labels, l2_normalized, same_width


def test_types():
    assert as_features("f", np.ones((2, 3), "float16")).dtype == np.float32
    assert as_features("f", np.ones((2, 3), "float64")).dtype == np.float64
    assert as_features("f", [[1, 2]]).dtype == np.float32
    assert as_labels("y", ["a", "b"], 2).dtype.kind == "U"
    assert as_labels("y", np.array(["a", "b"], object), 2).dtype.kind == "U"
    assert as_labels("y", np.array([3, 4], object), 2).dtype.kind == "i"


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.ones(3), r"`f` must be features \[N, D\].*Received: f.shape=\(3,\)"),
        (np.ones((0, 3)), r"Received: f.shape=\(0, 3\)"),
        (np.array([["a"]]), r"`f` must hold numbers. Received: f.dtype=<U1"),
        (
            [[1.0], [np.nan], [np.inf]],
            r"`f` must be finite. Received: f with NaN or infinity in row 1 \(2 such",
        ),
    ],
)
def test_bad_features(features, message):
    with pytest.raises(ValueError, match=message):
        as_features("f", features)


def test_too_few_samples():
    with pytest.raises(ValueError, match=r"at least 3 samples. Received: f.shape=\(2, 1\)"):
        as_features("f", np.ones((2, 1)), least=3)


@pytest.mark.parametrize("labels", [[1], [[1, 0], [0, 1]], [0.5, 1.5], [None, None], np.array(["a", 1], object)])
def test_bad_labels(labels):
    with pytest.raises(ValueError, match=r"`y` must hold .*Received: y\."):
        as_labels("y", labels, 2)


def test_widths():
    with pytest.raises(ValueError, match=r"Received: a.shape=\(1, 2\), b.shape=\(1, 3\)"):
        same_width("a", np.ones((1, 2)), "b", np.ones((1, 3)))


def test_normalization():
    rows = np.array([[3, 4], [0, 0], [3e30, 4e30], [3e-30, 4e-30]], np.float32)
    expected = [[0.6, 0.8], [0, 0], [0.6, 0.8], [0.6, 0.8]]
    np.testing.assert_allclose(l2_normalized(rows), expected, rtol=1e-6)
    assert l2_normalized(rows).dtype == np.float32

import sys

import numpy as np
import pytest

from keras_ssl.evaluation import cka


def slow_cka(x, y, debiased):
    """From the Gram matrices of the samples."""
    n = len(x)
    center = np.eye(n) - 1 / n

    def inner(a, b):
        k, l = a @ a.T, b @ b.T
        if not debiased:
            return np.trace(center @ k @ center @ l)
        k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
        ones = np.ones(n)
        rest = (ones @ k @ ones) * (ones @ l @ ones) / (n - 1) / (n - 2) - 2 / (n - 2) * (ones @ k @ l @ ones)
        return np.trace(k @ l) + rest

    return inner(x, y) / np.sqrt(inner(x, x) * inner(y, y))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("debiased", [False, True])
def test_equals_the_definition(dtype, debiased, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 6))
    y = np.tanh(x @ rng.standard_normal((6, 9))) + 2
    x, y = x.astype(dtype), y.astype(dtype)
    expected = slow_cka(x.astype("float64"), y.astype("float64"), debiased)
    assert cka(x, y, debiased) == pytest.approx(expected, rel=1e-9)
    assert cka(y, x, debiased) == pytest.approx(expected, rel=1e-9)
    monkeypatch.setattr(sys.modules["keras_ssl.evaluation.spectrum"], "_BLOCK", 8 * 9)
    assert cka(x, y, debiased) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("debiased", [False, True])
def test_what_does_not_matter(debiased):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((60, 5)), rng.standard_normal((60, 4))
    rotation = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    assert cka(x, 3 * x @ rotation + 7, debiased) == pytest.approx(1, abs=1e-9)
    assert cka(x @ rotation - 2, y / 9, debiased) == pytest.approx(cka(x, y, debiased), rel=1e-9)
    order = rng.permutation(60)
    assert cka(x[order], y[order], debiased) == pytest.approx(cka(x, y, debiased), rel=1e-9)


def test_floor_and_bias():
    x = np.concatenate([np.eye(4), -np.eye(4)])
    assert cka(x[:, :2], x[:, 2:]) == pytest.approx(0, abs=1e-12)
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((40, 400)), rng.standard_normal((40, 400))
    assert cka(x, y) > 0.85
    assert cka(x, y, debiased=True) == pytest.approx(0, abs=0.05)
    assert np.isnan(cka(np.full((9, 2), 0.1), rng.standard_normal((9, 2))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"other_features": np.eye(4)},
            r"same samples. Received: features.shape=\(3, 3\), other_features.shape=\(4, 4",
        ),
        ({"debiased": True}, r"at least 4 samples. Received: features.shape=\(3, 3\)"),
        ({"other_features": np.full((3, 1), np.nan)}, r"`other_features` must be finite"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        cka(**{"features": np.eye(3), "other_features": np.eye(3)} | change)

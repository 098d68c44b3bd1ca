import keras
import numpy as np
import pytest

from keras_ssl.losses import anchor_exclusive_shares, sup_con_loss, sup_re_mix_loss
from tests.losses.reference import as32, cosine, log_sum_exp, random_views

LABELS = np.array([2.0, 0.5, 2.0, 3.5, 1.0])
SHARES = np.random.default_rng(5).uniform(0.05, 0.6, 10)


def array(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def reference(z1, z2, labels, shares=None, temperature=0.1, positive_mixes=True, window=None, weighted=True):
    n, z, y = len(z1), [row / np.linalg.norm(row) for row in [*z1, *z2]], [*labels, *labels]
    distances = [abs(y[i] - y[j]) for i in range(2 * n) for j in range(2 * n) if i % n != j % n]
    scale, limit, total = np.mean(distances), np.inf if window is None else window, 0.0
    for i in range(2 * n):
        candidates, positives = [], []
        for k in range(2 * n):
            if k == i:
                continue
            s = cosine(z[i], z[k])
            candidates.append((s, abs(y[k] - y[i])))
            positives += [s] if y[k] == y[i] else []
            if shares is not None and y[k] != y[i]:
                mix = shares[i] * z[i] + (1 - shares[i]) * z[k]
                label = shares[i] * y[i] + (1 - shares[i]) * y[k]
                candidates.append((cosine(z[i], mix), abs(label - y[i])))
        for j in range(2 * n):
            for k in range(2 * n):
                if positive_mixes and y[j] < y[i] < y[k] and y[i] - y[j] < limit and y[k] - y[i] < limit:
                    share = (y[k] - y[i]) / (y[k] - y[j])
                    s = cosine(z[i], share * z[j] + (1 - share) * z[k])
                    candidates.append((s, 0.0))
                    positives.append(s)
        norm = log_sum_exp(s / temperature + (np.log1p(d / scale) if weighted else 0.0) for s, d in candidates)
        total -= np.mean(positives) / temperature - norm
    return total / (2 * n)


SETTINGS = [
    {},
    {"shares": SHARES},
    {"shares": SHARES, "positive_mixes": False},
    {"shares": SHARES, "window": 1.6, "temperature": 0.5},
    {"weighted": False, "positive_mixes": False},
]


@pytest.mark.parametrize("options", SETTINGS)
def test_equals_the_loops(options):
    z1, z2 = as32(random_views((5, 4)))
    found = float(sup_re_mix_loss(z1, z2, LABELS, **options))
    assert found == pytest.approx(reference(z1.astype("float64"), z2.astype("float64"), LABELS, **options), rel=1e-5)


def test_the_mixed_label_is_the_anchors():
    share, there = (array(x) for x in anchor_exclusive_shares(LABELS))
    expected = [(i, j, k) for i in range(5) for j in range(5) for k in range(5) if LABELS[j] < LABELS[i] < LABELS[k]]
    assert sorted(map(tuple, np.argwhere(there))) == expected and len(expected) > 5
    for i, j, k in expected:
        assert share[i, j, k] * LABELS[j] + (1 - share[i, j, k]) * LABELS[k] == pytest.approx(LABELS[i], rel=1e-6)


def test_embeddings_linear_in_the_label_mix_to_the_anchor():
    z = LABELS[:, None] * np.array([[1.0, -2.0, 0.5]]) + np.array([[0.3, 0.1, 4.0]])
    share, there = (array(x) for x in anchor_exclusive_shares(LABELS))
    for i, j, k in np.argwhere(there):
        np.testing.assert_allclose(share[i, j, k] * z[j] + (1 - share[i, j, k]) * z[k], z[i], rtol=1e-5)


def test_a_window_limits_both_sides():
    there = array(anchor_exclusive_shares(LABELS, 1.5)[1])
    for i, j, k in np.ndindex(5, 5, 5):
        expected = 0 < LABELS[i] - LABELS[j] < 1.5 and 0 < LABELS[k] - LABELS[i] < 1.5
        assert bool(there[i, j, k]) == expected
    assert there.sum() < array(anchor_exclusive_shares(LABELS)[1]).sum()


def test_without_mixtures_and_weights_it_is_supervised_contrast():
    z1, z2 = as32(random_views((5, 4)))
    found = float(sup_re_mix_loss(z1, z2, LABELS, None, 0.3, positive_mixes=False, weighted=False))
    classes = np.array([2, 0, 2, 3, 1], "int32")
    assert found == pytest.approx(float(sup_con_loss(z1, z2, classes, 0.3)), rel=1e-5)


@pytest.mark.parametrize(("a", "b"), [(1.0, 100.0), (3.0, -2.0), (-0.5, 0.0)])
def test_does_not_see_affine_maps_of_the_labels(a, b):
    z1, z2 = as32(random_views((5, 4)))
    plain = float(sup_re_mix_loss(z1, z2, LABELS, SHARES))
    assert float(sup_re_mix_loss(z1, z2, a * LABELS + b, SHARES)) == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("options", [{"shares": SHARES, "temperature": 0.5}, {"temperature": 0.5}])
def test_gradient_equals_finite_differences(options, value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((4, 3), seed=3)
    y = LABELS[1:]
    if "shares" in options:
        options = {**options, "shares": SHARES[:8]}
    _, gradients = value_and_gradients(lambda a, b: sup_re_mix_loss(a, b, y, **options), z1, z2)
    expected = finite_differences(lambda a, b: reference(a, b, y, **options), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=max(tolerance, 3e-7))


def test_degenerate_batches_are_finite(value_and_gradients):
    for labels in (np.zeros(4), LABELS[:4]):
        value, gradients = value_and_gradients(
            lambda a, b, y=labels: sup_re_mix_loss(a, b, y, np.full(8, 0.5)), np.zeros((4, 3)), -np.ones((4, 3))
        )
        assert np.isfinite(value) and np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    z1, z2 = as32(random_views((5, 4)))
    expected = float(sup_re_mix_loss(z1, z2, LABELS))
    assert compiled(sup_re_mix_loss, z1, z2, LABELS.astype("float32")) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "Received: temperature=0"),
        ({"window": 0.0}, "Received: window=0.0"),
        ({"window": np.nan}, "Received: window=nan"),
        ({"labels": LABELS[:2]}, r"Received: labels.shape=\(2,\)"),
    ],
)
def test_errors(options, message):
    z1, z2 = as32(random_views((5, 4)))
    with pytest.raises(ValueError, match=message):
        sup_re_mix_loss(z1, z2, **{"labels": LABELS, **options})

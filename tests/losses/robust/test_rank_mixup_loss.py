"""The losses of RankMixup against their definitions, and where they are 0."""

import math

import keras
import numpy as np
import pytest

from keras_ssl.losses import mixup_ndcg_loss, mixup_ranking_loss
from tests.losses.robust.reference import to_numpy

RANDOM = np.random.RandomState(0)
RAW, MIXED = 2 * RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(5, 4, 3))
COEFFICIENTS = RANDOM.uniform(0.5, 0.95, size=(5, 4))
COEFFICIENTS[0, 1] = COEFFICIENTS[3, 2] = 1.0


def confidence(row):
    return max(math.exp(f) / sum(math.exp(g) for g in row) for f in row)


def slow_ranking(raw, mixed, coefficients, margin, of=confidence):
    values = []
    for row, copies, shares in zip(raw, mixed, coefficients, strict=True):
        parts = [
            0.0 if c == 1 else max(0.0, of(copy) - of(row) + margin) for copy, c in zip(copies, shares, strict=True)
        ]
        values.append(sum(parts) / len(parts))
    return np.array(values)


def slow_ndcg(raw, mixed, coefficients):
    values = []
    for row, copies, shares in zip(raw, mixed, coefficients, strict=True):
        ranked = sorted(range(len(shares)), key=lambda v: -shares[v])
        found, ideal = confidence(row), 1.0  # / log2(2)
        for place, v in enumerate(ranked):
            found += confidence(copies[v]) / math.log2(place + 3)
            ideal += shares[v] / math.log2(place + 3)
        values.append(1 - min(found / ideal, ideal / found))
    return np.array(values)


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
def test_ranking_loss(margin, value_and_gradients, finite_differences, tolerance):
    found = mixup_ranking_loss(*(a.astype("float32") for a in (RAW, MIXED, COEFFICIENTS)), margin)
    expected = slow_ranking(RAW, MIXED, COEFFICIENTS, margin)
    assert expected.max() > 0
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-6)
    found = mixup_ranking_loss(*(a.astype("float32") for a in (RAW, MIXED, COEFFICIENTS)), margin, "logit")
    np.testing.assert_allclose(to_numpy(found), slow_ranking(RAW, MIXED, COEFFICIENTS, margin, max), atol=1e-5)
    _, gradients = value_and_gradients(
        lambda r, m: keras.ops.sum(mixup_ranking_loss(r, m, COEFFICIENTS, margin)), RAW, MIXED
    )
    slopes = finite_differences(lambda r, m: slow_ranking(r, m, COEFFICIENTS, margin).sum(), RAW, MIXED)
    for ours, theirs in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=max(tolerance, 1e-7))


def test_ranking_loss_is_0_where_the_order_holds_by_the_margin():
    raw, mixed = np.log([[0.9, 0.1]]), np.log([[[0.7, 0.3], [0.4, 0.6]]])
    shares = np.array([[0.8, 0.6]])
    assert float(mixup_ranking_loss(raw, mixed, shares, 0.19)[0]) == 0.0
    assert float(mixup_ranking_loss(raw, mixed, shares, 0.25)[0]) == pytest.approx(0.05 / 2, abs=1e-6)
    assert float(mixup_ranking_loss(raw, mixed, np.ones((1, 2)), 5.0)[0]) == 0.0  # masked
    # one of two masked: it counts in the mean
    assert float(mixup_ranking_loss(raw, mixed, np.array([[0.8, 1.0]]), 0.25)[0]) == pytest.approx(0.025, abs=1e-6)


def test_ndcg_loss(value_and_gradients, finite_differences, tolerance):
    found = mixup_ndcg_loss(*(a.astype("float32") for a in (RAW, MIXED, COEFFICIENTS)))
    np.testing.assert_allclose(to_numpy(found), slow_ndcg(RAW, MIXED, COEFFICIENTS), atol=1e-6)
    _, (by_raw, by_mixed, by_shares) = value_and_gradients(
        lambda r, m, c: keras.ops.sum(mixup_ndcg_loss(r, m, c)), RAW, MIXED, COEFFICIENTS
    )
    slopes = finite_differences(lambda r, m: slow_ndcg(r, m, COEFFICIENTS).sum(), RAW, MIXED)
    np.testing.assert_allclose(by_raw, slopes[0], atol=max(tolerance, 1e-7))
    np.testing.assert_allclose(by_mixed, slopes[1], atol=max(tolerance, 1e-7))
    np.testing.assert_array_equal(by_shares, 0.0)


def test_ndcg_loss_is_0_where_confidences_are_the_coefficients():
    shares = np.array([[0.6, 0.9, 0.75]])
    mixed = np.log(np.stack([shares, 1 - shares], axis=-1))
    assert float(mixup_ndcg_loss(np.array([[50.0, 0.0]]), mixed, shares)[0]) == pytest.approx(0.0, abs=1e-6)
    assert float(mixup_ndcg_loss(np.array([[50.0, 0.0]]), mixed[:, ::-1], shares)[0]) > 0.004  # another order


def test_ndcg_loss_takes_the_ratio_below_1_on_both_sides():
    """Too confident, and not confident enough."""
    shares = np.array([[0.6]])
    for mixed, raw in ((50.0, 50.0), (0.0, 0.1)):
        arrays = np.array([[raw, 0.0]]), np.array([[[mixed, 0.0]]]), shares
        value = float(mixup_ndcg_loss(*arrays)[0])
        assert value == pytest.approx(slow_ndcg(*arrays)[0], abs=1e-6) and 0 < value < 1


@pytest.mark.parametrize("margin", [-0.1, float("nan"), float("inf")])
def test_refuses_margin(margin):
    with pytest.raises(ValueError, match="Received: margin="):
        mixup_ranking_loss(RAW, MIXED, COEFFICIENTS, margin)


@pytest.mark.parametrize("loss", [mixup_ranking_loss, mixup_ndcg_loss])
@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((RAW, MIXED[:, 0], COEFFICIENTS), "Received: mixed.shape="),
        ((RAW, MIXED[:, :, :2], COEFFICIENTS), "Received: mixed.shape="),
        ((RAW, MIXED, COEFFICIENTS[:, :2]), "Received: coefficients.shape="),
        ((RAW, MIXED, COEFFICIENTS[0]), "Received: coefficients.shape="),
    ],
)
def test_refuses(loss, arrays, message):
    with pytest.raises(ValueError, match=message):
        loss(*arrays)


def test_refuses_an_unknown_confidence():
    with pytest.raises(ValueError, match="Received: confidence='entropy'"):
        mixup_ranking_loss(RAW, MIXED, COEFFICIENTS, confidence="entropy")

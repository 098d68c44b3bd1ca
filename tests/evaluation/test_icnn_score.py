import numpy as np
import pytest

from keras_ssl.evaluation import icnn_score
from keras_ssl.losses import icnn_loss
from tests.losses.metric.test_icnn_loss import LABELS, RNG, Z, reference


@pytest.mark.parametrize("k", [1, 4, 9])
def test_equals_the_loops_and_is_what_the_loss_takes_the_logarithm_of(k):
    assert icnn_score(Z, LABELS, k) == pytest.approx(np.exp(-reference(Z, LABELS, k)))
    assert icnn_score(Z, LABELS, k) == pytest.approx(np.exp(-float(icnn_loss(Z, LABELS, k))), rel=1e-5)


def test_does_not_see_isometries():
    turn = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    assert icnn_score(Z @ turn + 3.0, LABELS) == pytest.approx(icnn_score(Z, LABELS))


def test_does_not_see_the_scale():
    expected = icnn_score(Z, LABELS, 4)
    for power in (-550, -60, -30, 30, 550):
        assert icnn_score(np.ldexp(np.asarray(Z, "float64"), power), LABELS, 4) == pytest.approx(expected, rel=1e-6)


def test_separable_labels_score_higher_than_shuffled_ones():
    z = RNG.normal(size=(30, 4)) + 3 * np.repeat(np.eye(4)[:3], 10, axis=0)
    labels = np.repeat(["a", "b", "c"], 10)
    assert 1 > icnn_score(z, labels) > icnn_score(z, RNG.permutation(labels)) + 0.1 > 0.1


def test_unlabeled_samples_are_left_out():
    z, labels = np.concatenate([Z, np.zeros((2, 3))]), np.concatenate([LABELS, [-1, -1]])
    assert icnn_score(z, labels) == pytest.approx(icnn_score(Z, LABELS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neighbors": 10}, "Received: neighbors=10"),
        ({"labels": np.zeros(10, int)}, "Received: labels of one class"),
        ({"features": Z * np.nan}, "finite"),
        ({"labels": LABELS[:4]}, "labels"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        icnn_score(**{"features": Z, "labels": LABELS, **options})

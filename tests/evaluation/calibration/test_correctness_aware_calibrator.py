"""The correctness-aware calibrator: its loss and gradient, the class it keeps, what it learns from copies."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from keras_ssl.evaluation import CorrectnessAwareCalibrator, TemperatureScaling
from tests.evaluation.calibration.reference import overconfident, softmax


def data(samples=300, seed=0):
    """A sample's copies agree with it where its prediction is right, mostly."""
    logits, labels = overconfident(samples, seed=seed)
    random = np.random.RandomState(seed + 1)
    right = logits.argmax(axis=1) == labels
    keeps = random.uniform(size=(2, samples)) < np.where(right, 0.9, 0.3)
    copies = np.where(keeps[:, :, None], logits, random.permutation(logits)[None])
    return logits, copies, labels, right


def slow_loss(logits, labels, temperatures):
    values = []
    for row, y, t in zip(logits, labels, temperatures, strict=True):
        values.append((float(int(np.argmax(row)) == y) - softmax(row[None] / t).max()) ** 2)
    return np.mean(values)


def test_lowers_the_loss_below_that_of_every_single_temperature():
    logits, copies, labels, _ = data()
    calibrator = CorrectnessAwareCalibrator().fit(logits, copies, labels)
    t = calibrator.temperatures(logits, copies)
    found = slow_loss(logits, labels, t)
    assert calibrator.losses_[1] == pytest.approx(found, abs=1e-12)
    assert calibrator.losses_[0] == pytest.approx(slow_loss(logits, labels, np.ones(300)), abs=1e-12)  # T = 1 at first
    single = min(slow_loss(logits, labels, np.full(300, t)) for t in np.geomspace(0.1, 10, 40))
    assert found < single - 0.01 and ((t >= 0.1) & (t <= 10)).all()


def test_separates_right_from_wrong_predictions_of_new_samples():
    from sklearn.metrics import roc_auc_score

    calibrator = CorrectnessAwareCalibrator().fit(*data()[:3])
    logits, copies, _, right = data(seed=7)
    plain = TemperatureScaling().fit(*(data()[k] for k in (0, 2)))(logits).max(axis=1)
    ours = calibrator(logits, copies).max(axis=1)
    assert roc_auc_score(right, ours) > roc_auc_score(right, plain) + 0.05


def test_keeps_the_predicted_class():
    logits, copies, labels, _ = data()
    p = CorrectnessAwareCalibrator(iterations=20).fit(logits, copies, labels)(logits, copies)
    np.testing.assert_array_equal(p.argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


def test_a_constant_network_is_one_temperature():
    """The best single one by its loss: what a search finds."""
    logits, copies, labels, _ = data()
    calibrator = CorrectnessAwareCalibrator(hidden=0, weight_decay=0.0).fit(logits, copies, labels)
    t = calibrator.temperatures(logits, copies)
    assert np.ptp(t) == 0.0
    best = minimize_scalar(
        lambda s: slow_loss(logits, labels, np.full(300, np.exp(s))), bounds=(-2, 2), method="bounded"
    )
    assert t[0] == pytest.approx(np.exp(best.x), rel=1e-3)
    np.testing.assert_allclose(calibrator(logits, copies), softmax(logits / t[0]))


@pytest.mark.parametrize("balanced", [False, True])
def test_gradient_equals_finite_differences(balanced):
    logits, copies, labels, right = data(30)
    calibrator = CorrectnessAwareCalibrator(hidden=3, top=2, seed=4)
    h = calibrator._inputs(logits, copies)
    assert h.shape == (30, 4)
    share = np.where(right, 0.5 / right.sum(), 0.5 / (~right).sum()) if balanced else np.full(30, 1 / 30)
    shapes = ((4, 3), (3,), (3,), ())
    flat = np.random.RandomState(0).normal(size=19)

    def loss(weights):
        return calibrator._loss_and_gradient(
            calibrator._unpack(weights, shapes), logits, h, right.astype("float64"), share
        )

    _, found = loss(flat)
    for k in range(19):
        step = np.zeros(19)
        step[k] = 1e-6
        assert found[k] == pytest.approx((loss(flat + step)[0] - loss(flat - step)[0]) / 2e-6, abs=1e-7)


def test_inputs_are_the_copies_probabilities_at_the_samples_best_classes():
    logits = np.array([[0.0, 3.0, 1.0], [2.0, 1.0, 0.0]])
    copies = np.array([[[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]]])
    p = softmax(copies[0])
    expected = [[p[0, 1], p[0, 2]], [p[1, 0], p[1, 1]]]
    np.testing.assert_allclose(CorrectnessAwareCalibrator(top=2)._inputs(logits, copies), expected)


def test_balanced_training_weights_the_rare_outcome_more():
    logits, copies, labels, right = data()
    assert right.mean() > 0.55
    plain, balanced = (
        CorrectnessAwareCalibrator(hidden=0, weight_decay=0.0, balanced=b).fit(logits, copies, labels)
        for b in (False, True)
    )
    # Wrong samples count more: confidence is lower.
    assert balanced.temperatures(logits, copies)[0] > plain.temperatures(logits, copies)[0]


def test_is_reproducible_by_its_seed():
    logits, copies, labels, _ = data(60)
    a, b, c = (CorrectnessAwareCalibrator(seed=s).fit(logits, copies, labels)(logits, copies) for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": -1}, "hidden=-1"),
        ({"top": 0}, "top=0"),
        ({"lowest": 0.0}, "lowest=0.0"),
        ({"lowest": 20.0}, "lowest=20.0"),
        ({"highest": float("inf")}, "lowest=0.1, highest=inf"),
        ({"weight_decay": -1.0}, "weight_decay=-1"),
        ({"weight_decay": float("nan")}, "weight_decay=nan"),
        ({"iterations": 0}, "iterations=0"),
        ({"seed": 0.5}, "seed=0.5"),
    ],
)
def test_refuses_options(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        CorrectnessAwareCalibrator(**options)


def test_refuses_what_does_not_fit():
    logits, copies, labels, _ = data(20)
    calibrator = CorrectnessAwareCalibrator(iterations=3)
    with pytest.raises(ValueError, match="`fit` must be called first. Received: "):
        calibrator(logits, copies)
    calibrator.fit(logits, copies, labels)
    for call, message in (
        (lambda: calibrator.fit(logits, copies[0], labels), "Received: copies.shape="),
        (lambda: calibrator.fit(logits, copies[:, :5], labels), "Received: copies.shape="),
        (lambda: calibrator.fit(logits, copies, labels + 1), "Received: labels=3"),
        (lambda: calibrator(logits, copies[:1]), "Received: copies.shape="),
        (lambda: calibrator(logits[0], copies), "Received: logits.shape="),
    ):
        with pytest.raises(ValueError, match=message):
            call()

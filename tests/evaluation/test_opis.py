import numpy as np
import pytest

from keras_ssl.evaluation import opis


def features(seed=0, spread=(0.3, 0.6, 1.0, 0.8)):
    rng = np.random.default_rng(seed)
    centers = np.eye(4, 6) * 2
    return np.concatenate([c + s * rng.normal(size=(7, 6)) for c, s in zip(centers, spread, strict=True)])


LABELS = np.repeat([0, 1, 2, 3], 7)


def reference(z, labels, low, high, count):
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    n = len(z)
    pairs = [(i, j, float(unit[i] @ unit[j])) for i in range(n) for j in range(i)]
    negatives = sorted(s for i, j, s in pairs if labels[i] != labels[j])
    ends = [np.quantile(negatives, 1 - rate, method="higher") for rate in (high, low)]
    means = []
    for t in np.linspace(*ends, count):
        utilities = []
        for c in sorted(set(labels)):
            own = [s for i, j, s in pairs if labels[i] == c and labels[j] == c]
            others = [s for i, j, s in pairs if (labels[i] == c) != (labels[j] == c)]
            psi = np.mean([s >= t for s in own])
            phi = 1 - np.mean([s >= t for s in others])
            utilities.append(2 * phi * psi / (phi + psi) if phi + psi else 0.0)
        means.append(np.mean((np.array(utilities) - np.mean(utilities)) ** 2))
    return np.mean(means)


@pytest.mark.parametrize("rates", [(0.01, 0.1), (0.05, 0.5)])
def test_equals_the_loops(rates):
    found = opis(features(), LABELS, rates, 9)
    assert found == pytest.approx(reference(features(), LABELS, *rates, 9), rel=1e-9) and found > 1e-4


def test_is_zero_where_all_classes_have_the_same_scores():
    # One class of points, turned by 90 degrees for the next: the cosines within and between are the same for all.
    angles = np.concatenate([np.array([0.0, 0.3, 0.5]) + turn for turn in np.arange(4) * np.pi / 2])
    z = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert opis(z, np.repeat(["a", "b", "c", "d"], 3), (0.05, 0.6)) == pytest.approx(0.0, abs=1e-12)


def test_does_not_depend_on_names_or_order():
    z = features()
    order = np.random.default_rng(1).permutation(len(z))
    renamed = np.array(["z", "b", "q", "a"])[LABELS]
    assert opis(z[order], renamed[order]) == pytest.approx(opis(z, LABELS), rel=1e-9)


def test_uneven_classes_score_higher():
    assert opis(features(spread=(0.1, 0.1, 2.0, 2.0)), LABELS) > 2 * opis(features(spread=(0.5,) * 4), LABELS)


def test_unlabeled_samples_are_left_out():
    z = np.concatenate([features(), np.ones((3, 6))])
    assert opis(z, np.concatenate([LABELS, [-1] * 3])) == pytest.approx(opis(features(), LABELS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": LABELS[:-1]}, "labels"),
        ({"labels": np.arange(28)}, "Received: labels with 28 classes, 0 of which"),
        ({"false_accept_range": (0.5, 0.1)}, r"Received: false_accept_range=\(0.5, 0.1\)"),
        ({"false_accept_range": (0.1, np.nan)}, "Received: false_accept_range="),
        ({"false_accept_range": 0.1}, "Received: false_accept_range=0.1"),
        ({"thresholds": 0}, "Received: thresholds=0"),
        ({"features": np.full((28, 6), np.nan)}, "finite"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        opis(**{"features": features(), "labels": LABELS, **options})

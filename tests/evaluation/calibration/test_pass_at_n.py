"""pass@N: from probabilities, and without bias from counts."""

import itertools
import math

import numpy as np
import pytest

from keras_ssl.evaluation import pass_at_n, pass_at_n_from_counts
from tests.evaluation.calibration.reference import overconfident, refuses, softmax


@pytest.mark.parametrize("attempts", [1, 2, 16])
def test_equals_the_definition(attempts):
    logits, labels = overconfident(50)
    p = softmax(logits)
    expected = np.mean([1 - (1 - row[y]) ** attempts for row, y in zip(p, labels, strict=True)])
    assert pass_at_n(p, labels, attempts) == pytest.approx(expected, abs=1e-12)


def test_by_all_outcomes_of_the_guesses():
    row, label = [0.2, 0.3, 0.5], 1
    total = sum(
        np.prod([row[guess] for guess in guesses])
        for guesses in itertools.product(range(3), repeat=3)
        if label in guesses
    )
    assert pass_at_n([row], [label], 3) == pytest.approx(total, abs=1e-12)


def test_one_guess_is_the_mean_probability_and_many_find_what_is_possible():
    p, labels = np.array([[0.25, 0.75], [1.0, 0.0], [0.0, 1.0]]), np.array([0, 1, 1])
    assert pass_at_n(p, labels, 1) == pytest.approx((0.25 + 0.0 + 1.0) / 3)
    assert pass_at_n(p, labels, 10_000) == pytest.approx(2 / 3)  # the certain mistake stays one


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_from_counts_is_the_share_of_choices_that_hold_a_right_one(attempts):
    drawn, counts = 5, [0, 1, 3, 5]
    expected = []
    for correct in counts:
        guesses = [True] * correct + [False] * (drawn - correct)
        choices = list(itertools.combinations(guesses, attempts))
        expected.append(np.mean([any(choice) for choice in choices]))
    assert pass_at_n_from_counts(counts, drawn, attempts) == pytest.approx(np.mean(expected), abs=1e-12)


def test_from_counts_is_unbiased():
    """Over binomial counts, its expectation is `1 - (1 - p)^N`."""
    p, drawn, attempts = 0.3, 8, 3
    weights = [math.comb(drawn, c) for c in range(drawn + 1)]
    mean = sum(
        w * p**c * (1 - p) ** (drawn - c) * pass_at_n_from_counts([c], drawn, attempts) for c, w in enumerate(weights)
    )
    assert mean == pytest.approx(1 - (1 - p) ** attempts, abs=1e-12)


def test_from_many_counts_nothing_overflows():
    assert 0.0 < pass_at_n_from_counts([1, 50], 100_000, 5_000) < 1.0


@pytest.mark.parametrize("attempts", [0, 1.5, -2, True])
def test_refuses_attempts(attempts):
    with pytest.raises(ValueError, match="Received: attempts="):
        pass_at_n([[0.5, 0.5]], [0], attempts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([5], 4, 2), "Received: correct="),
        (([-1], 4, 2), "Received: correct="),
        (([0.5], 4, 2), "Received: correct.shape="),
        (([[1]], 4, 2), "Received: correct.shape="),
        (([], 4, 2), "Received: correct.shape="),
        (([1], 0, 1), "Received: drawn=0"),
        (([1], 4, 5), "Received: attempts=5"),
    ],
)
def test_refuses_counts(arguments, message):
    with pytest.raises(ValueError, match=message):
        pass_at_n_from_counts(*arguments)


def test_refuses_what_are_no_predictions():
    refuses(lambda probabilities, labels: pass_at_n(probabilities, labels, 2))

import numpy as np
import pytest

from keras_ssl.losses import decoupled_softmax_loss, info_nce_loss
from tests.losses.reference import log_sum_exp

SCORES = np.random.default_rng(0).normal(size=(3, 6)) * 2
POSITIVES = np.array([[1, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 0, 0]])


def reference(scores, positives, temperature=1.0):
    total = 0.0
    for row, mask in zip(scores / temperature, positives, strict=True):
        rivals = [s for s, p in zip(row, mask, strict=True) if not p]
        total += sum(log_sum_exp([s, *rivals]) - s for s, p in zip(row, mask, strict=True) if p)
    return total / len(scores)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_equals_the_loops(temperature):
    loss = float(decoupled_softmax_loss(SCORES.astype("float32"), POSITIVES, temperature))
    assert loss == pytest.approx(reference(SCORES, POSITIVES, temperature), rel=1e-5)


def test_one_positive_is_info_nce():
    z = np.random.default_rng(1).normal(size=(2, 5, 4)).astype("float32")
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in z)
    loss = float(decoupled_softmax_loss(a @ b.T, np.eye(5), 0.3))
    assert loss == pytest.approx(float(info_nce_loss(a, b, 0.3)), rel=1e-5)


def test_the_score_of_a_positive_changes_nothing_of_the_others(value_and_gradients):
    def parts(scores):
        _, (gradient,) = value_and_gradients(lambda s: decoupled_softmax_loss(s, POSITIVES), scores)
        return gradient

    raised = SCORES.copy()
    raised[0, 2] += 3.0
    before, after = parts(SCORES), parts(raised)
    assert before[0, 0] == pytest.approx(after[0, 0], abs=1e-7) and abs(before[0, 2] - after[0, 2]) > 1e-3
    alone = POSITIVES.copy()
    alone[0, 2] = 0
    terms = [
        reference(x[:1], [[1, 0, 1, 0, 0, 0]]) - reference(x[:1, [2, 1, 3, 4, 5]], [[1, 0, 0, 0, 0]])
        for x in (SCORES, raised)
    ]
    assert terms[0] == pytest.approx(terms[1])
    difference = reference(raised, POSITIVES) - reference(SCORES, POSITIVES)
    found = float(decoupled_softmax_loss(raised, POSITIVES)) - float(decoupled_softmax_loss(SCORES, POSITIVES))
    assert found == pytest.approx(difference, rel=1e-4)


@pytest.mark.parametrize("low", [-1e6, -np.inf])
def test_without_rivals_the_loss_is_zero(low, value_and_gradients):
    scores = np.where(POSITIVES > 0, SCORES, low).astype("float32")
    assert float(decoupled_softmax_loss(scores, POSITIVES)) == 0.0
    _, (gradient,) = value_and_gradients(lambda s: decoupled_softmax_loss(s, POSITIVES), scores, dtype="float32")
    assert np.isfinite(gradient).all() and not gradient.any()
    assert float(decoupled_softmax_loss(SCORES, np.ones((3, 6)))) == 0.0


def test_a_row_without_positives_counts_as_zero():
    assert float(decoupled_softmax_loss(SCORES[:2], [[0] * 6, [0] * 6])) == 0.0
    half = float(decoupled_softmax_loss(SCORES[:2], [list(POSITIVES[0]), [0] * 6]))
    assert half == pytest.approx(0.5 * reference(SCORES[:1], POSITIVES[:1]), rel=1e-5)


def test_even_scores_have_a_closed_form():
    assert float(decoupled_softmax_loss(np.zeros((1, 7)), [[1, 1, 1, 0, 0, 0, 0]])) == pytest.approx(3 * np.log(5))


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    _, gradients = value_and_gradients(lambda s: decoupled_softmax_loss(s, POSITIVES, 0.5), SCORES)
    expected = finite_differences(lambda s: reference(s, POSITIVES, 0.5), SCORES)
    np.testing.assert_allclose(gradients, expected, atol=tolerance)


def test_compiled_equals_eager(compiled):
    scores, positives = SCORES.astype("float32"), POSITIVES.astype("float32")
    assert compiled(decoupled_softmax_loss, scores, positives) == pytest.approx(reference(SCORES, POSITIVES), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "Received: temperature=0.0"),
        ({"temperature": np.nan}, "Received: temperature=nan"),
        (
            {"positives": POSITIVES[:2]},
            r"`scores` and `positives` must have one shape. Received: scores.shape=\(3, 6\)",
        ),
        ({"positives": POSITIVES * 2}, "Received: positives=2.0"),
        ({"scores": SCORES[0]}, r"Received: scores.shape=\(6,\)"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        decoupled_softmax_loss(**{"scores": SCORES, "positives": POSITIVES, **options})

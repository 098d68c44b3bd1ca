import numpy as np
import pytest

from keras_ssl.losses import gated_pair_loss
from tests.losses.reference import log_sum_exp

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(9, 4))
LABELS = np.array([0, 0, 1, 1, 2, 2, 3, -1, 0], "int32")
PAIRS = np.array([[0, 0], [0, 1], [2, 3], [3, 3], [1, 2]], "int32")
GATES = RNG.uniform(0.05, 1.0, (5, 4))


def reference(z, labels, pairs, gates, temperature=0.1):
    losses = []
    for (a, b), gate in zip(pairs, gates, strict=True):
        u = [gate * row / np.linalg.norm(gate * row) for row in z]
        members = [i for i, y in enumerate(labels) if y in (a, b)]
        rivals = [i for i, y in enumerate(labels) if y >= 0 and y not in (a, b)]
        terms = []
        for i in members:
            for j in members:
                if i != j:
                    s = [u[i] @ u[k] / temperature for k in (j, *rivals)]
                    terms.append(log_sum_exp(s) - s[0])
        losses += [np.mean(terms)] if terms else []
    return np.mean(losses) if losses else 0.0


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_the_loops(temperature):
    found = float(gated_pair_loss(Z.astype("float32"), LABELS, PAIRS, GATES, temperature))
    assert found == pytest.approx(reference(Z, LABELS, PAIRS, GATES, temperature), rel=1e-5)


def test_open_gates_and_equal_classes_are_decoupled_supervised_contrast():
    from keras_ssl.losses import decoupled_softmax_loss

    labels = np.array([0, 0, 1, 1, 1, 2, 2, 2, 0])
    pairs = np.array([[c, c] for c in range(3)])
    found = float(gated_pair_loss(Z, labels, pairs, np.ones((3, 4)), 0.5))
    unit = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    rows = []
    for i in range(9):
        others = [j for j in range(9) if j != i]
        mates = labels[others] == labels[i]
        row = decoupled_softmax_loss((unit[i] @ unit[others].T)[None] / 0.5, mates[None].astype(float))
        rows.append(float(row) / mates.sum())
    expected = np.mean([np.mean([r for r, y in zip(rows, labels, strict=True) if y == c]) for c in range(3)])
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_closed_gate_gets_no_gradient(value_and_gradients):
    gates = GATES.copy()
    gates[:, 2] = 0.0
    _, (of_z, of_gates) = value_and_gradients(lambda z, g: gated_pair_loss(z, LABELS, PAIRS, g), Z, gates)
    assert not of_z[:, 2].any() and not of_gates[:, 2].any() and of_z[:, 1].any()


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    _, gradients = value_and_gradients(lambda z, g: gated_pair_loss(z, LABELS, PAIRS, g, 0.5), Z, GATES)
    slow = finite_differences(lambda z, g: reference(z, LABELS, PAIRS, g, 0.5), Z, GATES)
    for mine, theirs in zip(gradients, slow, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=tolerance)


def test_without_members_or_rivals_there_is_no_loss(value_and_gradients):
    for labels in (np.full(9, -1), np.zeros(9, int), np.array([5] * 8 + [0])):
        value, gradients = value_and_gradients(
            lambda z, labels=labels: gated_pair_loss(z, labels, PAIRS, GATES), np.zeros((9, 4))
        )
        assert value == 0.0 and np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    found = compiled(lambda z, y: gated_pair_loss(z, y, PAIRS, GATES), Z.astype("float32"), LABELS)
    assert found == pytest.approx(reference(Z, LABELS, PAIRS, GATES), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": np.nan}, "Received: temperature=nan"),
        ({"pairs": PAIRS[:, :1]}, r"Received: pairs.shape=\(5, 1\)"),
        ({"gates": GATES[:3]}, r"gates.shape=\(3, 4\)"),
        ({"gates": GATES[:, :3]}, r"gates.shape=\(5, 3\)"),
        ({"labels": LABELS * 1.0}, "Received: labels.dtype=float"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        gated_pair_loss(**{"z": Z, "labels": LABELS, "pairs": PAIRS, "gates": GATES, **options})

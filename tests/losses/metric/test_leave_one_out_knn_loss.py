import numpy as np
import pytest

from keras_ssl.losses import leave_one_out_knn_loss as look
from tests.losses.reference import cosine, log_sum_exp

RNG = np.random.default_rng(0)
Q, BANK = RNG.normal(size=(5, 3)), RNG.normal(size=(9, 3))
LABELS = np.array([0, 1, 2, -1, 3], "int32")
BANK_LABELS = np.array([0, 1, 2, 0, 1, -1, 0, 2, 0], "int32")  # nobody of class 3


def reference(q, labels, bank, bank_labels, k, temperature, excluded=None):
    losses = []
    for i in range(len(q)):
        s = {
            j: cosine(q[i], bank[j]) / temperature
            for j in range(len(bank))
            if bank_labels[j] >= 0 and not (excluded is not None and excluded[i][j])
        }
        near = sorted(s, key=lambda j: -s[j])[:k]
        mates = [j for j in s if bank_labels[j] == labels[i]]
        if labels[i] < 0 or not mates:
            continue
        if not any(j in near for j in mates):
            near.append(max(mates, key=lambda j: s[j]))
        losses.append(log_sum_exp([s[j] for j in near]) - log_sum_exp([s[j] for j in near if j in mates]))
    return np.mean(losses) if losses else 0.0


@pytest.mark.parametrize("k", [1, 3, 9])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_the_loops(k, temperature):
    found = float(look(Q.astype("float32"), LABELS, BANK, BANK_LABELS, k, temperature))
    assert found == pytest.approx(reference(Q, LABELS, BANK, BANK_LABELS, k, temperature), rel=1e-5, abs=1e-6)


def test_all_neighbors_are_the_soft_nearest_neighbor_loss():
    z, labels = RNG.normal(size=(7, 3)), np.array([0, 1, 0, 1, 2, 2, 0])
    found = float(look(z, labels, z, labels, 7, 0.5, np.eye(7, dtype=bool)))
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    e = np.exp(unit @ unit.T / 0.5) * (1 - np.eye(7))
    expected = -np.mean(np.log((e * (labels[:, None] == labels)).sum(1) / e.sum(1)))
    assert found == pytest.approx(expected, rel=1e-5)


def test_two_far_clusters_of_one_class_cost_nothing():
    z = np.repeat([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], 4, axis=0)
    labels = np.repeat([0, 0, 1], 4)
    apart = np.eye(12, dtype=bool)
    assert float(look(z, labels, z, labels, 3, 0.1, apart)) == pytest.approx(0.0, abs=1e-6)
    assert float(look(z, labels, z, labels, 12, 0.1, apart)) > 1e-5  # all of them see the other class


def test_the_excluded_entry_is_no_neighbor():
    z, labels = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), np.array([0, 1, 0])
    with_itself = float(look(z[:1], labels[:1], z, labels, 1, 0.1))
    without = float(look(z[:1], labels[:1], z, labels, 1, 0.1, np.array([[True, False, False]])))
    assert with_itself == pytest.approx(0.0, abs=1e-6) and without > 1.0


def test_gradient_flows_through_the_chosen_only(value_and_gradients, finite_differences, tolerance):
    def fast(q, bank):
        return look(q, LABELS, bank, BANK_LABELS, 3, 0.5)

    _, gradients = value_and_gradients(fast, Q, BANK)
    slow = finite_differences(lambda q, bank: reference(q, LABELS, bank, BANK_LABELS, 3, 0.5), Q, BANK)
    for mine, theirs in zip(gradients, slow, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=tolerance)
    _, (_, of_bank) = value_and_gradients(lambda q, b: look(q, LABELS[:1], b, BANK_LABELS, 2, 0.5), Q[:1], BANK)
    s = [cosine(Q[0], x) if y >= 0 else -9 for x, y in zip(BANK, BANK_LABELS, strict=True)]
    near = set(np.argsort(s)[::-1][:2])
    touched = set(np.flatnonzero(np.abs(of_bank).sum(axis=1) > 1e-9))
    assert touched <= near | {max((j for j in range(9) if BANK_LABELS[j] == 0), key=lambda j: s[j])}


def test_degenerate_banks_are_finite(value_and_gradients):
    for labels in (BANK_LABELS, np.full(9, -1)):
        value, gradients = value_and_gradients(
            lambda q, b, labels=labels: look(q, LABELS, b, labels, 3), np.zeros((5, 3)), np.zeros((9, 3))
        )
        assert np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in gradients)
    assert value == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neighbors": 10}, "Received: neighbors=10"),
        ({"temperature": 0}, "Received: temperature=0"),
        ({"labels": LABELS[:2]}, r"Received: labels.shape=\(2,\)"),
        ({"bank_labels": LABELS}, r"Received: bank_labels.shape=\(5,\)"),
        ({"bank": BANK[0]}, r"Received: bank.shape=\(3,\)"),
    ],
)
def test_errors(options, message):
    defaults = {"queries": Q, "labels": LABELS, "bank": BANK, "bank_labels": BANK_LABELS, "neighbors": 3}
    with pytest.raises(ValueError, match=message):
        look(**{**defaults, **options})

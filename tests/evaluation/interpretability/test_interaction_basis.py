"""The interaction basis: invariances, ranks, exact reconstruction, and Jacobians on the backend."""

import keras
import numpy as np
import pytest

from keras_ssl.evaluation import activation_jacobians, interaction_basis, interaction_modularity, synchronized_units

RNG = np.random.default_rng(0)


def example(samples=40, width=4, outputs=3):
    return RNG.normal(size=(samples, width)) + 0.3, RNG.normal(size=(samples, outputs, width))


def test_spectrum_is_that_of_the_product_of_both_matrices():
    f, jacobians = example()
    gram = sum(np.outer(row, row) for row in f) / len(f)
    reads = sum(j.T @ j for j in jacobians) / len(f)
    expected = np.sort(np.linalg.eigvals(gram @ reads).real)[::-1]
    basis = interaction_basis(f, jacobians)
    np.testing.assert_allclose(basis.spectrum, expected, rtol=1e-9)
    np.testing.assert_allclose(basis.transform @ basis.inverse, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(basis.project(f), f, atol=1e-9)


def test_coordinates_have_the_spectrum_as_gram_matrix_and_the_jacobians_are_orthonormal_in_it():
    f, jacobians = example()
    basis = interaction_basis(f, jacobians)
    places = f @ basis.transform.T
    np.testing.assert_allclose(places.T @ places / len(f), np.diag(basis.spectrum), atol=1e-9)
    in_basis = jacobians @ basis.inverse
    np.testing.assert_allclose(sum(j.T @ j for j in in_basis) / len(f), np.eye(4), atol=1e-9)


def test_an_invertible_change_of_activations_changes_no_spectrum():
    f, jacobians = example()
    change = RNG.normal(size=(4, 4))
    changed = interaction_basis(f @ change.T, jacobians @ np.linalg.inv(change))
    np.testing.assert_allclose(changed.spectrum, interaction_basis(f, jacobians).spectrum, rtol=1e-7)


def test_a_duplicated_neuron_adds_no_direction():
    f, jacobians = example()
    before = interaction_basis(f, jacobians)
    doubled = np.concatenate([f, f[:, :1]], axis=1)
    split = np.concatenate([jacobians, 0.3 * jacobians[..., :1]], axis=2)
    split[..., 0] *= 0.7
    after = interaction_basis(doubled, split)
    assert after.rank == before.rank == 4
    np.testing.assert_allclose(after.spectrum, before.spectrum, rtol=1e-9)


def test_directions_that_nothing_reads_are_cut_off_and_sharing_a_jacobian_is_allowed():
    f, _ = example()
    reads = np.array([[1.0, 1.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0]])
    basis = interaction_basis(f, reads)
    assert basis.rank == 1
    np.testing.assert_allclose(basis.spectrum, interaction_basis(f, np.tile(reads, (40, 1, 1))).spectrum)
    assert basis.spectrum[0] == pytest.approx(5 * np.mean((f[:, 0] + f[:, 1]) ** 2))
    # What is read is kept by the projection, exactly.
    np.testing.assert_allclose(basis.project(f) @ reads.T, f @ reads.T, atol=1e-9)
    assert interaction_basis(f, np.zeros((3, 4))).rank == 0


def test_a_silent_layer_has_an_empty_basis():
    f, jacobians = example()
    for basis in (interaction_basis(0 * f, jacobians), interaction_basis(f, 0 * jacobians)):
        assert basis.rank == 0 and basis.transform.shape == (0, 4) and basis.inverse.shape == (4, 0)


def test_jacobians_equal_finite_differences_and_integrals_add_up():
    layers = [keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.layers.Input((3,)), *layers])
    f = RNG.normal(size=(4, 3)).astype("float32")
    found = activation_jacobians(model, f)
    weights = [w.astype("float64") for w in model.get_weights()]

    def run(x):
        return np.tanh(x @ weights[0] + weights[1]) @ weights[2] + weights[3]

    for unit in range(3):
        shift = 1e-5 * np.eye(3)[unit]
        np.testing.assert_allclose(found[:, :, unit], (run(f + shift) - run(f - shift)) / 2e-5, atol=1e-4)
    integral = activation_jacobians(model, f, steps=40)
    np.testing.assert_allclose(np.einsum("nkd,nd->nk", integral, f), run(f) - run(0 * f), atol=1e-3)
    one = activation_jacobians(model, 0.5 * f)
    np.testing.assert_allclose(activation_jacobians(model, f, steps=1), one, atol=1e-6)


def test_synchronized_units():
    x = np.array([[0, 1, 0, 2, 0], [3, 0, 0, 0, 1], [1, 0, 0, 0, 9]], "float32")
    assert [group.tolist() for group in synchronized_units(x)] == [[0, 4], [1, 3]]
    assert [group.tolist() for group in synchronized_units(x, 1.5)] == [[0], [3], [4]]
    # Many samples: the patterns of 9 samples differ in the last only.
    wide = np.zeros((9, 2))
    wide[0], wide[8, 1] = 1, 1
    assert len(synchronized_units(wide)) == 2


def test_modularity_equals_the_definition():
    weights = RNG.uniform(size=(6, 6))
    weights = weights + weights.T
    groups = np.array([0, 1, 0, 2, 2, 1])
    total, expected = weights.sum(), 0.0
    for i in range(6):
        for j in range(6):
            if groups[i] == groups[j]:
                expected += weights[i, j] / total - weights[i].sum() * weights[j].sum() / total**2
    assert interaction_modularity(weights, groups) == pytest.approx(expected)
    assert interaction_modularity(weights, ["a"] * 6) == pytest.approx(0, abs=1e-12)
    blocks = np.kron(np.eye(4), np.ones((3, 3)))
    assert interaction_modularity(blocks, np.repeat(range(4), 3)) == pytest.approx(0.75)
    assert interaction_modularity(np.zeros((2, 2)), [0, 1]) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interaction_basis(np.eye(3), np.ones((2, 2, 3))), "Received: jacobians.shape="),
        (lambda: interaction_basis(np.eye(3), np.ones((2, 4))), "Received: jacobians.shape="),
        (lambda: interaction_basis(np.eye(3), np.full((2, 3), np.inf)), "Received: jacobians=inf"),
        (lambda: interaction_basis(np.eye(3), np.eye(3), tolerance=-1), "Received: tolerance=-1"),
        (lambda: synchronized_units(np.eye(3), threshold=np.nan), "Received: threshold=nan"),
        (lambda: interaction_modularity(np.ones((2, 3)), [0, 0]), "Received: interactions.shape="),
        (lambda: interaction_modularity([[0, 1], [2, 0]], [0, 0]), "Received: interactions="),
        (lambda: interaction_modularity(-np.ones((2, 2)), [0, 0]), "Received: interactions=-1"),
        (lambda: interaction_modularity(np.ones((2, 2)), [0]), "Received: modules.shape="),
        (lambda: activation_jacobians(lambda x: keras.ops.sum(x), np.eye(2)), "Received: function with output"),
        (lambda: activation_jacobians(lambda x: x, np.eye(2), steps=0), "Received: steps=0"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()

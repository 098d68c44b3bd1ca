import json

import keras
import numpy as np
import pytest

from keras_ssl.layers.symmetric_predictor import SymmetricPredictor, symmetric_matrix


def spectrum(*values, seed=0):
    """A symmetric matrix of these eigenvalues, and its eigenvectors."""
    vectors, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))
    return (vectors * values) @ vectors.T, vectors


def matrix(correlation, *arguments):
    return keras.ops.convert_to_numpy(symmetric_matrix(np.asarray(correlation, "float32"), *arguments))


def array(tensor):
    return keras.ops.convert_to_numpy(tensor).copy()


def compiled(function, argument):
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.jit(function)(argument))
    import tensorflow as tf

    return tf.function(function, jit_compile=True)(tf.constant(argument)).numpy()


def test_equals_its_formula_in_both_conventions():
    values = np.array([4.0, 1.0, 0.25, 0.01])
    f, vectors = spectrum(*values)
    np.testing.assert_allclose(matrix(f, 0.1), (vectors * (np.sqrt(values) + 0.4)) @ vectors.T, atol=1e-5)
    np.testing.assert_allclose(matrix(f, 0.1, "code"), (vectors * (np.sqrt(values / 4) + 0.1)) @ vectors.T, atol=1e-5)
    # The same up to scale, once eps is divided by the root of the largest eigenvalue.
    np.testing.assert_allclose(2.0 * matrix(f, 0.1, "code"), matrix(f, 0.1 / 2.0), atol=1e-5)


def test_is_symmetric_positive_and_commutes_with_the_correlation():
    f, _ = spectrum(3.0, 2.0, 0.5, 0.0, 0.0)
    w = matrix(f, 0.05)
    np.testing.assert_allclose(w, w.T, atol=1e-6)
    assert np.linalg.eigvalsh(w).min() > 0.1
    np.testing.assert_allclose(w @ f, f @ w, atol=1e-5)


def test_isotropic_correlation_makes_it_a_multiple_of_the_identity():
    np.testing.assert_allclose(matrix(4.0 * np.eye(5), 0.1), 2.4 * np.eye(5), atol=1e-5)


def test_rank_one_and_no_eps_make_it_a_projector_on_that_direction():
    u = np.array([0.6, 0.8, 0.0])
    np.testing.assert_allclose(matrix(9.0 * np.outer(u, u), 0.0), 3.0 * np.outer(u, u), atol=1e-5)
    np.testing.assert_array_equal(matrix(np.zeros((3, 3)), 0.1), 0.0)
    np.testing.assert_allclose(matrix(np.zeros((3, 3)), 0.1, "code"), 0.1 * np.eye(3), atol=1e-6)


def test_equal_eigenvalues_whose_vectors_are_arbitrary_do_no_harm():
    # Within a plane of equal eigenvalues any pair of eigenvectors will do: U diag(p) U^T is the same for all.
    f, _ = spectrum(2.0, 2.0, 2.0, 1.0, 1.0)
    turned, _ = spectrum(2.0, 2.0, 2.0, 1.0, 1.0, seed=1)
    for correlation in (f, turned):
        values, vectors = np.linalg.eigh(correlation)
        expected = (vectors * (np.sqrt(values) + 0.2)) @ vectors.T
        np.testing.assert_allclose(matrix(correlation, 0.1), expected, atol=1e-5)


def test_compiled_equals_eager():
    f = spectrum(3.0, 2.0, 0.5, 1e-9)[0].astype("float32")
    np.testing.assert_allclose(compiled(symmetric_matrix, f), matrix(f), atol=1e-5)


def test_correlation_is_a_running_mean_that_starts_with_the_first_batch():
    predictor = SymmetricPredictor(3, momentum=0.3)
    batches = np.random.default_rng(0).normal(size=(4, 10, 3)).astype("float32")
    expected = None
    for batch in batches:
        mine = sum(np.outer(row, row) for row in batch.astype("float64")) / 10
        expected = mine if expected is None else 0.3 * expected + 0.7 * mine
        predictor.update(batch)
        np.testing.assert_allclose(array(predictor.correlation), expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(array(predictor.kernel), matrix(expected), rtol=1e-4, atol=1e-5)


def test_starts_as_the_identity_and_applies_its_matrix():
    predictor = SymmetricPredictor(3)
    z = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(array(predictor(z)), z, rtol=1e-6)
    predictor.update(z)
    np.testing.assert_allclose(array(predictor(z)), z @ array(predictor.kernel), rtol=1e-5)


@pytest.mark.parametrize(("frequency", "changes"), [(0, []), (1, [0, 1, 2, 3, 4]), (3, [0, 3])])
def test_frequency(frequency, changes):
    predictor = SymmetricPredictor(2, frequency=frequency)
    seen = []
    for step in range(5):
        before = array(predictor.kernel)
        predictor.update(np.random.default_rng(step).normal(size=(6, 2)).astype("float32"))
        if (array(predictor.kernel) != before).any():
            seen.append(step)
    assert seen == changes
    if not frequency:
        np.testing.assert_array_equal(array(predictor.kernel), np.eye(2))


def test_stands_still_where_the_step_did_not_update():
    predictor = SymmetricPredictor(2)
    before = [array(weight) for weight in predictor.weights]
    predictor.update(np.ones((3, 2), "float32"), updated=keras.ops.convert_to_tensor(False))
    for weight, old in zip(predictor.weights, before, strict=True):
        np.testing.assert_array_equal(array(weight), old)


def test_nothing_in_it_is_trained_and_it_is_float32_under_every_policy():
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        predictor = SymmetricPredictor(2)
    finally:
        keras.config.set_dtype_policy(policy)
    assert predictor.trainable_weights == []
    assert keras.backend.standardize_dtype(predictor(np.ones((1, 2), "float16")).dtype) == "float32"


def test_config_round_trip():
    predictor = SymmetricPredictor(3, momentum=0.5, eps=0.2, convention="code", frequency=4, name="p")
    again = SymmetricPredictor.from_config(json.loads(json.dumps(predictor.get_config())))
    assert again.get_config() == predictor.get_config()


@pytest.mark.parametrize(
    "bad", [{"width": 0}, {"momentum": 1.0}, {"eps": -0.1}, {"convention": "other"}, {"frequency": -1}]
)
def test_errors(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value!r}"):
        SymmetricPredictor(**{"width": 2, **bad})

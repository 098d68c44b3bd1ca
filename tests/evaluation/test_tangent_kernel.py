import keras
import numpy as np
import pytest

from keras_ssl.evaluation import tangent_kernel

RNG = np.random.default_rng(0)


def test_equals_finite_differences_of_a_small_network():
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)])
    x = RNG.normal(size=(5, 3)).astype("float32")
    w1, b1, w2, b2 = (weight.astype("float64") for weight in model.get_weights())

    def outputs(flat):
        parts, start = [], 0
        for part in (w1, b1, w2, b2):
            parts.append(flat[start : start + part.size].reshape(part.shape))
            start += part.size
        return np.tanh(x @ parts[0] + parts[1]) @ parts[2] + parts[3]

    flat = np.concatenate([part.ravel() for part in (w1, b1, w2, b2)])
    slopes = np.stack(
        [(outputs(flat + 1e-6 * e) - outputs(flat - 1e-6 * e)) / 2e-6 for e in np.eye(len(flat))], axis=-1
    )
    expected = np.einsum("icp,jcp->ij", slopes, slopes)
    before = [weight.copy() for weight in model.get_weights()]
    found = tangent_kernel(model, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found, found.T)
    assert np.linalg.eigvalsh(found).min() > -1e-6
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert tangent_kernel(model, x, [model.layers[1].kernel]).shape == (5, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "Received: model=None"),
        ({"x": np.zeros((0, 3))}, "Received: x.shape"),
        ({"x": np.zeros(3)}, "Received: x.shape"),
        ({"variables": []}, r"Received: variables=\[\]"),
        (
            {
                "model": keras.Sequential(
                    [keras.layers.Input((3,)), keras.layers.Dense(2), keras.layers.Reshape((2, 1))]
                )
            },
            "Received: model with outputs",
        ),
    ],
)
def test_refuses(change, message):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=message):
        tangent_kernel(**{"model": model, "x": np.zeros((2, 3)), **change})

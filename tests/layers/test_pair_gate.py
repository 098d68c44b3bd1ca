import keras
import numpy as np
import pytest

from keras_ssl.layers import PairGate


def array(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def test_equals_the_formula():
    gate = PairGate(4, 3, width=5)
    e, w1, b1, w2, b2 = (array(w) for w in gate.weights)
    pairs = np.array([[0, 3], [2, 2], [3, 1]])
    hidden = np.maximum(0.0, (e[pairs[:, 0]] + e[pairs[:, 1]]) / 2 @ w1 + b1)
    np.testing.assert_allclose(array(gate(pairs)), 1 / (1 + np.exp(-(hidden @ w2 + b2))), rtol=1e-5)


def test_the_order_of_a_pair_does_not_matter():
    gate, pairs = PairGate(5, 7), np.array([[0, 1], [4, 2], [3, 3]])
    np.testing.assert_array_equal(array(gate(pairs)), array(gate(pairs[:, ::-1].copy())))
    found = array(gate(pairs))
    assert ((found > 0) & (found < 1)).all() and np.abs(found[0] - found[1]).max() > 1e-3


def test_round_trip():
    gate = PairGate(3, 4, 5)
    again = PairGate.from_config(gate.get_config())
    assert again.get_config() == gate.get_config() and again.compute_output_shape((6, 2)) == (6, 4)


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"dimension": 0}, {"width": 1.5}])
def test_errors(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        PairGate(**{"classes": 3, "dimension": 4, **wrong})

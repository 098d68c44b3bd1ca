"""What the tests here share: inputs, and slow references in float64, class by class."""

import math

import keras
import numpy as np
import pytest

LOGITS = np.array([[2.0, -1.0, 0.5, 0.0], [-3.0, 1.0, 1.5, 4.0], [0.1, 0.2, -0.1, 0.0], [6.0, -5.0, 0.0, 2.0]])
LABELS = np.array([0, 1, 2, 0])


def to_numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor)).astype("float64")


def probability(row, label):
    """`p_y`, term by term."""
    return 1.0 / sum(math.exp(other - row[label]) for other in row)


def each(function, logits=LOGITS, labels=LABELS):
    """A function of a row and its label, for every sample."""
    return np.array([function(list(map(float, row)), int(label)) for row, label in zip(logits, labels, strict=True)])


BAD_INPUT = [
    ((LOGITS[0], LABELS[:1]), "Received: logits.shape="),
    ((LOGITS[:, :1], LABELS), "Received: logits.shape="),
    ((LOGITS, LABELS[:2]), "Received: labels.shape="),
    ((LOGITS, np.eye(4)[LABELS]), "soft labels are not taken. Received: labels.shape="),
    ((LOGITS, LABELS.astype("float32")), "Received: labels.shape=.*float32"),
    ((LOGITS, np.array([0, 1, 4, 0])), "from 0 to 3. Received: labels=4 in sample 2"),
    ((LOGITS, np.array([0, -1, 2, 0])), "Received: labels=-1 in sample 1"),
]


def refuses(function):
    """That a loss of logits and labels refuses what is neither."""
    for (logits, labels), message in BAD_INPUT:
        with pytest.raises(ValueError, match=message):
            function(logits.astype("float32"), labels)


def round_trip(loss, y_true=LABELS, y_pred=LOGITS):
    """A loss object through its config and through Keras' serialization; its value."""
    value = float(loss(y_true, y_pred))
    assert float(type(loss).from_config(loss.get_config())(y_true, y_pred)) == value
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    assert float(again(y_true, y_pred)) == value
    return value


def in_compiled_code_nan(function):
    """That a compiled loss, which cannot raise, gives NaN for the row whose label is no class, and only there."""
    logits, labels = keras.ops.convert_to_tensor(LOGITS, "float32"), keras.ops.convert_to_tensor([0, 4, -1, 0])
    if keras.backend.backend() == "jax":
        import jax

        values = jax.jit(function)(logits, labels)
    else:
        import tensorflow as tf

        values = tf.function(function)(logits, labels)
    assert np.isnan(to_numpy(values)).tolist() == [False, True, True, False]
    np.testing.assert_allclose(to_numpy(values)[[0, 3]], to_numpy(function(logits, [0, 0, 0, 0]))[[0, 3]], rtol=1e-5)

"""The fixed head: powers of kappa, no weights, and an export that leaves it out."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders import ConvNet
from keras_ssl.layers import FixedReweightingHead
from keras_ssl.losses.nt_xent_loss import nt_xent_loss

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kappa", [0.5, 1.1, 3.0])
def test_output_is_scaled_elementwise_and_there_are_no_weights(kappa):
    z = RNG.normal(size=(4, 3, 5)).astype("float32")
    head = FixedReweightingHead(kappa)
    expected = [[[z[n, t, i] / kappa**i for i in range(5)] for t in range(3)] for n in range(4)]
    np.testing.assert_allclose(head(z), expected, rtol=1e-5)
    assert not head.weights and head.compute_output_shape((None, 5)) == (None, 5)


def test_kappa_one_is_the_identity_and_leaves_the_loss_as_it_is():
    z1, z2 = RNG.normal(size=(2, 6, 8)).astype("float32")
    head = FixedReweightingHead(1.0)
    np.testing.assert_array_equal(head(z1), z1)
    assert float(nt_xent_loss(head(z1), head(z2))) == float(nt_xent_loss(z1, z2))


def test_wide_features_vanish_but_do_not_overflow():
    assert np.isfinite(np.asarray(FixedReweightingHead(2.0)(np.ones((1, 512), "float32")))).all()
    with pytest.raises(ValueError, match="Received: kappa=0.5, width=512"):
        FixedReweightingHead(0.5)(np.ones((1, 512), "float32"))


def test_an_exported_encoder_gives_the_features_before_the_head(tmp_path):
    encoder = ConvNet(widths=(4, 8), input_shape=(16, 16, 3))
    training = keras.Sequential([keras.layers.Input((16, 16, 3)), encoder, FixedReweightingHead(1.5)])
    x = RNG.normal(size=(3, 16, 16, 3)).astype("float32")
    features = encoder.predict(x, verbose=0)
    np.testing.assert_allclose(training.predict(x, verbose=0), features / 1.5 ** np.arange(8), rtol=1e-5, atol=1e-6)
    folder = keras_ssl.export(encoder, tmp_path / "entry", preprocessing=None)
    loaded = keras_ssl.load(folder, include_preprocessing=False)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), features)


def test_round_trip():
    head = FixedReweightingHead(1.25, name="head")
    again = keras.layers.deserialize(keras.layers.serialize(head))
    assert again.get_config() == head.get_config() and again.kappa == 1.25


@pytest.mark.parametrize("kappa", [0.0, -1.0, float("nan"), float("inf"), True])
def test_refuses(kappa):
    with pytest.raises(ValueError, match=f"Received: kappa={kappa}"):
        FixedReweightingHead(kappa)

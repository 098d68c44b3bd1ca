"""What SupReMix computes: the loss of its arguments, and mixtures drawn from Beta(2, 8)."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import sup_con_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.losses.metric.test_sup_re_mix_loss import LABELS, SHARES, reference
from tests.objectives.reference import draws, value


def loss_of(model, **more):
    z = {"z1": draws(5, 12), "z2": draws(5, 12, seed=1), "y": LABELS.astype("float32"), **more}
    return value(model.objective({n: keras.ops.convert_to_tensor(v) for n, v in z.items()}, Step.at(5))[0])


def test_equals_the_reference():
    model = tiny_model("SupReMix", temperature=0.4, window=2.5)
    found = loss_of(model, shares=SHARES.reshape(2, 5).T.astype("float32"))
    expected = reference(draws(5, 12), draws(5, 12, seed=1), LABELS, SHARES, 0.4, True, 2.5)
    assert found == pytest.approx(expected, rel=1e-4)


def test_switched_off_it_is_supervised_contrast():
    model = tiny_model("SupReMix", negative_mixes=False, positive_mixes=False, weighted=False)
    classes = np.array([2, 0, 2, 3, 1], "int32")
    assert loss_of(model) == pytest.approx(float(sup_con_loss(draws(5, 12), draws(5, 12, seed=1), classes)), rel=1e-5)


def test_shares_are_drawn_from_a_beta_distribution():
    from scipy.stats import beta, kstest

    model = tiny_model("SupReMix")
    batch = {"x": np.zeros((400, 4, 4, 3), "uint8"), "y": np.zeros(400, "float32")}
    shares = np.asarray(keras.ops.convert_to_numpy(model.embed(batch, Step.at(400))["shares"]))
    assert shares.shape == (400, 2) and kstest(shares.ravel(), beta(2, 8).cdf).pvalue > 0.01
    assert "shares" not in tiny_model("SupReMix", negative_mixes=False).embed(batch, Step.at(400))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": -1}, "window=-1"),
        ({"temperature": np.inf}, "temperature=inf"),
        ({"temperature": 0}, "temperature=0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.SupReMix(tiny_encoder(), **options)

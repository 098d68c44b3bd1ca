"""What Metrix computes at each level of mixing."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import metrix_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value

LABELS = np.array([0, 1, 2, 3, 1, -1, 0, 2], "int32")
SHARES = np.random.RandomState(0).uniform(0.1, 0.9, 8).astype("float32")
PLAIN = {"base": "multi_similarity", "classes": None, "base_options": None}


def array(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


def images(count=8):
    return np.random.RandomState(0).randint(0, 256, (count, 16, 16, 3)).astype("uint8")


def objective(model, step=None, **embeddings):
    tensors = {name: keras.ops.convert_to_tensor(v) for name, v in embeddings.items()}
    return model.objective(tensors, Step.at(8) if step is None else step)


@pytest.mark.parametrize("base", ["contrastive", "multi_similarity", "proxy_anchor"])
def test_mixes_embeddings_with_those_of_the_steps_order(base):
    classes = 4 if base == "proxy_anchor" else None
    model = tiny_model("Metrix", base=base, classes=classes, base_options={"margin": 0.2}, weight=0.6)
    z, step = draws(8, 12), Step.at(8, index=3)
    loss, logs = objective(model, step, z1=z, y=LABELS, share=SHARES)
    order, u = array(step.order(8)), unit(z)
    mixed = SHARES[:, None] * u + (1 - SHARES[:, None]) * u[order]
    options = {"base": base, "proxies": None if classes is None else array(model.proxies), "margin": 0.2}
    expected = float(metrix_loss(z, LABELS, mixed, LABELS[order], SHARES, 0.6, **options))
    assert value(loss) == pytest.approx(expected, rel=1e-5)
    assert value(logs["clean"]) == pytest.approx(float(metrix_loss(z, LABELS, **options)), rel=1e-5)
    assert not np.array_equal(order, np.arange(8)) and expected != value(logs["clean"])


@pytest.mark.parametrize("level", ["input", "feature"])
def test_mixes_inputs_and_features(level):
    model = tiny_model(
        "Metrix", level=level, views=keras_ssl.views.MultiView([keras_ssl.views.RandomFlip(0.0)]), **PLAIN
    )
    step = Step.at(8, training=False)
    found = {name: array(v) for name, v in model.embed({"x": images(), "y": LABELS}, step).items()}
    order, c = array(step.order(8)), found["share"]
    view = array(model.make_views({"x": images()}, step)[0])
    if level == "input":
        c = c[:, None, None, None]
        mixed = model.projector(model.encoder(c * view + (1 - c) * view[order], training=False))
    else:
        features, c = array(model.encoder(view, training=False)), c[:, None]
        mixed = model.projector(c * features + (1 - c) * features[order])
    np.testing.assert_allclose(found["mixed"], array(mixed), atol=2e-5)


def test_weight_0_is_the_base_loss_and_mixes_nothing():
    model = tiny_model("Metrix", weight=0.0, **PLAIN)
    assert set(model.embed({"x": images(), "y": LABELS}, Step.at(8))) == {"z1", "y"}
    loss, _ = objective(model, z1=draws(8, 12), y=LABELS)
    assert value(loss) == pytest.approx(float(metrix_loss(draws(8, 12), LABELS)), rel=1e-6)


@pytest.mark.parametrize("concentration", [1, 2])
def test_shares_are_drawn_from_a_beta_distribution(concentration):
    from scipy.stats import beta, kstest

    model = tiny_model("Metrix", concentration=concentration, **PLAIN)
    batch = {"x": np.zeros((500, 4, 4, 3), "uint8"), "y": np.zeros(500, "int32")}
    shares = array(model.embed(batch, Step.at(500))["share"])
    assert kstest(shares, beta(concentration, concentration).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": "triplet"}, "base='triplet'"),
        ({"base_options": {"scale": 1.0}}, "scale=1.0"),
        ({"base_options": {"margin": np.nan}}, "margin=nan"),
        ({"classes": 3}, "classes=3, base='multi_similarity'"),
        ({"base": "proxy_anchor"}, "classes=None, base='proxy_anchor'"),
        ({"level": "pixel"}, "level='pixel'"),
        ({"pairs": "few"}, "pairs='few'"),
        ({"weight": -0.1}, "weight=-0.1"),
        ({"concentration": 0.5}, "concentration=0.5"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.Metrix(tiny_encoder(), **options)


def test_labels_without_a_proxy_are_named():
    model = tiny_model("Metrix")
    model.compile("sgd")
    with pytest.raises(ValueError, match="Received: y=4 in sample 1"):
        model.fit(np.zeros((4, 16, 16, 3), "uint8"), np.array([0, 4, 1, -1]), batch_size=4, verbose=0)

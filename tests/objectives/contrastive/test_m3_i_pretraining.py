"""What M3I computes: slow references, and each target alone as the method it is."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.target_code_loss import target_code_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, slow_info_nce, unit, value

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3)).astype("uint8")
OTHERS = np.random.RandomState(1).randint(0, 256, (6, 16, 16, 3)).astype("uint8")
LABELS = np.array([0, 3, -1, 1, 2, 0], "int32")
TEXT = draws(6, 5, seed=3)
NAME = "M3IPretraining"


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def found(model, **options):
    """Embeddings, loss and logs of a batch of ready-made views."""
    model.explicit_views = False
    step = Step.at(6, **options)
    batch = {"x": (IMAGES, OTHERS), "y": LABELS, "text": TEXT}
    z = model.embed(batch, step)
    return {name: numbers(part) for name, part in z.items()}, engine.reduce(model, z, step)


def slow_loss(logits, targets, partner, share):
    """Loop by loop, in float64."""
    total = weights = 0.0
    for row, scores in enumerate(logits.astype("float64")):
        for target, weight in ((targets[row], share[row]), (targets[partner[row]], 1.0 - share[row])):
            if target >= 0:
                total += weight * (np.log(np.sum(np.exp(scores))) - scores[target])
                weights += weight
    return total / weights


def test_loss_equals_the_reference():
    logits, partner = draws(6, 4), np.array([3, 0, 1, 5, 2, 4])
    share = np.random.RandomState(1).rand(6).astype("float32")
    loss = target_code_loss(logits, LABELS, partner, share)
    assert value(loss) == pytest.approx(slow_loss(logits, LABELS, partner, share), rel=1e-5)
    alone = target_code_loss(logits, LABELS)
    assert value(alone) == pytest.approx(slow_loss(logits, LABELS, partner, np.ones(6)), rel=1e-5)
    assert value(target_code_loss(logits, np.full(6, -1))) == 0.0


def test_products_of_views_make_it_info_nce():
    q, k = draws(7, 5), draws(7, 5, seed=1)
    loss = target_code_loss((unit(q) @ unit(k).T / 0.2).astype("float32"), np.arange(7))
    assert value(loss) == pytest.approx(value(info_nce_loss(q, k, 0.2)), rel=1e-6)


def test_the_view_alone_is_info_nce():
    z, outcome = found(tiny_model(NAME, classes=None, mix=0.0, temperature=0.2))
    assert set(z) == {"z1", "z2"}
    assert value(outcome.loss) == pytest.approx(slow_info_nce(z["z1"], z["z2"], 0.2), rel=1e-5)


def test_the_class_alone_is_the_cross_entropy_of_a_classifier():
    model = tiny_model(NAME, view_weight=0.0, mix=0.0)
    z, outcome = found(model)
    labeled = LABELS >= 0
    expected = keras.losses.sparse_categorical_crossentropy(
        LABELS[labeled], z["scores"][labeled].astype("float32"), from_logits=True
    )
    assert value(outcome.loss) == pytest.approx(numbers(expected).mean(), rel=1e-6)
    features = model.encoder(model.encoder_input(IMAGES), training=True)
    np.testing.assert_allclose(z["scores"], numbers(model.class_codes(features)), atol=1e-4)


def test_the_text_alone_is_info_nce_with_the_texts():
    model = tiny_model(NAME, classes=None, view_weight=0.0, text_width=5, mix=0.0, temperature=0.3)
    z, outcome = found(model)
    np.testing.assert_allclose(z["text"], numbers(model.text_codes(TEXT)), atol=1e-6)
    assert value(outcome.loss) == pytest.approx(slow_info_nce(z["z1"], z["text"], 0.3), rel=1e-5)


def test_targets_are_weighed_and_added():
    model = tiny_model(NAME, text_width=5, view_weight=0.5, class_weight=2.0, text_weight=3.0)
    _, outcome = found(model)
    logs = {name: value(outcome.logs[name]) for name in ("view", "class", "text")}
    expected = 0.5 * logs["view"] + 2.0 * logs["class"] + 3.0 * logs["text"]
    assert value(outcome.loss) == pytest.approx(expected, rel=1e-5)


def test_a_mixture_has_the_targets_of_both_images():
    model = tiny_model(NAME, mix=0.8, temperature=0.5)
    z, outcome = found(model)
    partner = numbers(Step.at(6).order(6)).astype(int)
    assert sorted(partner) == list(range(6)) and (z["share"] >= 0.2).all() and (z["share"] <= 1).all()
    logits = unit(z["z1"]) @ unit(z["z2"]).T / 0.5
    view = slow_loss(logits, np.arange(6), partner, z["share"])
    classes = slow_loss(z["scores"], LABELS, partner, z["share"])
    assert value(outcome.logs["view"]) == pytest.approx(view, rel=1e-5)
    assert value(outcome.logs["class"]) == pytest.approx(classes, rel=1e-5)


def test_the_input_is_the_mixture():
    """A linear encoder shows it: its features of a mixture are the mixture of its features."""
    inputs = keras.Input((16, 16, 3))
    flat = keras.layers.Flatten()(inputs)
    encoder = keras.Model(inputs, keras.layers.Dense(3, use_bias=False)(flat))
    model = keras_ssl.M3IPretraining(encoder, classes=4, view_weight=0.0, mix=1.0, projector=(4,))
    z, _ = found(model)
    features = numbers(model.class_codes(encoder(model.encoder_input(IMAGES))))
    partner, a = numbers(Step.at(6).order(6)).astype(int), z["share"][:, None]
    np.testing.assert_allclose(z["scores"], a * features + (1 - a) * features[partner], atol=1e-3)


def test_shares_differ_between_samples_and_steps():
    model = tiny_model(NAME, mix=1.0)
    first, later = (found(model, index=index)[0]["share"] for index in (0, 1))
    assert len(set(first)) == 6 and (first != later).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mix": 1.5}, "mix=1.5"),
        ({"classes": 1}, "classes=1"),
        ({"text_width": 0}, "text_width=0"),
        ({"view_weight": -1.0}, "view_weight=-1.0"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"view_weight": 0.0, "classes": None}, "view_weight=0.0, classes=None, text_width=None"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        tiny_model(NAME, **options)


def test_refuses_labels_and_shapes():
    with pytest.raises(ValueError, match="Received: y=4"):
        tiny_model(NAME).check_batch({"x": IMAGES, "y": np.full(6, 4)})
    with pytest.raises(ValueError, match=r"Received: logits.shape=\(2,\), targets.shape=\(2,\)"):
        target_code_loss(draws(2), np.zeros(2))
    with pytest.raises(ValueError, match="given together. Received: partner alone"):
        target_code_loss(draws(2, 3), np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match="must have the shape"):
        model = keras_ssl.M3IPretraining(tiny_encoder(), text_width=5, projector=(4,))
        model.compile("sgd")
        model.fit({"x": IMAGES, "text": TEXT[:, :3]}, verbose=0)


def test_a_missing_label_is_no_class():
    fields = tiny_model(NAME, classes=4).batch_fields
    assert fields["y"].missing == -1 and not fields["y"].required
    assert set(tiny_model(NAME, classes=None, text_width=5).batch_fields) == {"text"}

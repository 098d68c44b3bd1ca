"""What multi-task pretraining computes: each part alone is its own method, labels may be missing, gradients add."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.multi_label_loss import multi_label_loss
from keras_ssl.testing.tiny_model import cheap_views, tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3)).astype("uint8")
OTHERS = np.random.RandomState(1).randint(0, 256, (6, 16, 16, 3)).astype("uint8")
LABELS = np.random.RandomState(2).randint(-1, 2, (6, 4)).astype("float32")
LABELS[1] = -1.0
NONE = {"reconstruction_weight": 0.0, "contrast_weight": 0.0, "label_weight": 0.0}
PARTS = ("reconstruction_weight", "contrast_weight", "label_weight")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def step_of(model, labels=LABELS):
    """The loss of a batch of ready-made views, its logs, and the gradients by path."""
    model.explicit_views = False
    batch = {"x": (IMAGES, OTHERS), "labels": labels, "y": np.full(6, -1, "int32")}
    outcome, gradients = model.loss_and_gradients(batch, Step.at(6))
    return outcome, {
        "/".join(part for part in weight.path.split("/") if part != model.name): None
        if gradient is None
        else numbers(gradient)
        for weight, gradient in zip(model.trainable_variables, gradients, strict=True)
    }


def slow_loss(logits, labels):
    """Loop by loop, in float64."""
    values, weights = [], []
    for row, known in zip(logits.astype("float64"), labels, strict=True):
        parts = []
        for s, y in zip(row, known, strict=True):
            if y >= 0:
                p = 1.0 / (1.0 + np.exp(-s))
                parts.append(-y * np.log(p) - (1 - y) * np.log(1 - p))
        values.append(np.mean(parts) if parts else 0.0)
        weights.append(float(bool(parts)))
    return np.array(values), np.array(weights)


def test_label_loss_equals_the_reference():
    logits = draws(6, 4)
    found = [numbers(part) for part in multi_label_loss(logits, LABELS)]
    expected = slow_loss(logits, LABELS)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_array_equal(found[1], expected[1])


def alone(part, encoder, **options):
    return keras_ssl.MultiTaskPretraining(
        encoder, 4, **{**NONE, part: 1.0}, projector=(24, 12), views=cheap_views(), **options
    )


def shared(model, parent, names):
    """Gives the model the parent's weights of the layers named."""
    for name in names:
        getattr(model, name).set_weights(getattr(parent, name).get_weights())


def test_the_reconstruction_alone_is_sim_mim():
    encoder = tiny_vit()
    parent = keras_ssl.SimMIM(encoder, 0.5, views=cheap_views())
    model = alone(PARTS[0], encoder, mask_ratio=0.5)
    shared(model, parent, ["output_layer"])
    model.mask_token.assign(parent.mask_token)
    found, expected = step_of(model), step_of(parent)
    assert value(found[0].loss) == value(expected[0].loss)
    assert found[1].keys() == expected[1].keys() and len(found[1]) > 20
    for one, other in zip(found[1].values(), expected[1].values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_contrast_alone_is_simclr():
    encoder = tiny_vit()
    parent = keras_ssl.SimCLR(encoder, (24, 12), views=cheap_views())
    model = alone(PARTS[1], encoder)
    shared(model, parent, ["projector"])
    found, expected = step_of(model), step_of(parent)
    assert value(found[0].loss) == pytest.approx(value(expected[0].loss), rel=1e-6)
    for name, gradient in expected[1].items():
        np.testing.assert_allclose(found[1][name], gradient, atol=1e-6)


def test_labels_alone_are_the_binary_cross_entropy_of_the_first_view():
    model = alone(PARTS[2], tiny_vit())
    outcome, _ = step_of(model)
    logits = numbers(model.label_layer(model.encoder(model.encoder_input(IMAGES))))
    losses, known = slow_loss(logits, LABELS)
    assert value(outcome.loss) == pytest.approx((losses * known).sum() / known.sum(), rel=1e-5)
    right = [
        np.mean((row > 0)[y >= 0] == (y > 0.5)[y >= 0]) for row, y in zip(logits, LABELS, strict=True) if max(y) >= 0
    ]
    assert value(outcome.logs["label_accuracy"]) == pytest.approx(np.mean(right), abs=1e-6)


def test_losses_and_gradients_add():
    encoder = tiny_vit()
    weights = dict(zip(PARTS, (0.5, 2.0, 3.0), strict=True))
    model = tiny_model("MultiTaskPretraining", **weights)
    encoder = model.encoder
    whole, gradients = step_of(model)
    total, sums = 0.0, {}
    for part, weight in weights.items():
        single = alone(part, encoder, mask_ratio=0.5)
        shared(single, model, ["output_layer", "projector", "label_layer"])
        single.mask_token.assign(model.mask_token)
        outcome, found = step_of(single)
        total += weight * value(outcome.loss)
        for name, gradient in found.items():
            if gradient is not None:
                sums[name] = sums.get(name, 0.0) + weight * gradient
    assert value(whole.loss) == pytest.approx(total, rel=1e-5)
    assert gradients.keys() == sums.keys()
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, sums[name], atol=2e-5)


def test_unlabeled_rows_add_nothing():
    model = alone(PARTS[2], tiny_vit())
    outcome, gradients = step_of(model)
    other = LABELS.copy()
    other[[0, 3]] = -1.0
    logits = numbers(model.label_layer(model.encoder(model.encoder_input(IMAGES))))
    losses, known = slow_loss(logits, other)
    assert value(step_of(model, other)[0].loss) == pytest.approx((losses * known).sum() / known.sum(), rel=1e-5)
    nothing, zero = step_of(model, np.full((6, 4), -1.0, "float32"))
    assert value(nothing.loss) == 0.0 and all(not gradient.any() for gradient in zero.values() if gradient is not None)
    assert any(gradient.any() for gradient in gradients.values())


def test_class_numbers_stand_for_vectors_with_a_single_one():
    model = tiny_model("MultiTaskPretraining")
    y = np.array([0, 3, -1], "int32")
    absent = np.full((3, 1), -1.0, "float32")
    found = numbers(model.label_vectors({"labels": absent, "y": y}))
    np.testing.assert_array_equal(found, [[1, 0, 0, 0], [0, 0, 0, 1], [-1, -1, -1, -1]])
    np.testing.assert_array_equal(numbers(model.label_vectors({"labels": LABELS, "y": y})), LABELS)


def test_vectors_and_class_numbers_and_neither_can_be_fitted():
    for fields in ({"labels": LABELS}, {"y": np.arange(6, dtype="int32") % 4}, {}):
        model = tiny_model("MultiTaskPretraining")
        model.compile(keras.optimizers.SGD(0.01))
        history = model.fit({"x": IMAGES, **fields}, batch_size=6, verbose=0).history
        assert np.isfinite(history["loss"]).all() and (history["label"][0] > 0) is bool(fields)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "classes=1"),
        ({"contrast_weight": -1.0}, "contrast_weight=-1.0"),
        ({"temperature": 0.0}, "temperature=0.0"),
        (NONE, "reconstruction_weight=0, contrast_weight=0, label_weight=0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        tiny_model("MultiTaskPretraining", **options)


def test_refuses_encoders_and_labels():
    with pytest.raises(ValueError, match="must be a vision transformer for MultiTaskPretraining"):
        keras_ssl.MultiTaskPretraining(tiny_encoder(), 4)
    model = tiny_model("MultiTaskPretraining")
    with pytest.raises(ValueError, match="Received: labels=2.0"):
        model.check_batch({"x": IMAGES, "labels": LABELS + 1.0})
    with pytest.raises(ValueError, match="Received: y=4"):
        model.check_batch({"x": IMAGES, "y": np.array([4] * 6)})
    with pytest.raises(ValueError, match=r"must have 4 columns. Received: labels.shape=\(6, 3\)"):
        model.label_vectors({"labels": LABELS[:, :3], "y": np.zeros(6, "int32")})
    with pytest.raises(ValueError, match=r"Received: logits.shape=\(2, 3\), labels.shape=\(2, 4\)"):
        multi_label_loss(draws(2, 3), draws(2, 4))

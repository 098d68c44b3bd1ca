"""What CrossMAE computes: a slow reference, what decoder and encoder see, MAE as a neighbor."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value
from tests.references import masked_pixels as reference

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def places(model, count=6):
    """Numbers of the visible and of the predicted patches."""
    order = numbers(Step.at(count).stream().permutations(16)).astype(int)
    visible = model.mask.count((4, 4))
    predicted = int(16 * model.prediction_ratio)
    return np.sort(order[:, :visible], axis=1), np.sort(order[:, visible : visible + predicted], axis=1)


@pytest.mark.parametrize("normalize", [True, False])
def test_the_loss_is_that_of_the_predicted_patches(normalize):
    model = tiny_model("CrossMAE", normalize_targets=normalize)
    z = embedded(model)
    images = numbers(model.make_views({"x": (IMAGES, IMAGES)}, Step.at(6))[0])
    wanted = reference.patches(images, 4)
    wanted = reference.normalized(wanted) if normalize else wanted
    _, predicted = places(model)
    p, total = numbers(z["prediction"]), []
    assert p.shape == (6, 4, 48)
    for i in range(6):
        total += [np.mean((p[i, m] - wanted[i, patch]) ** 2) for m, patch in enumerate(predicted[i])]
    assert value(engine.reduce(model, z, Step.at(6)).loss) == pytest.approx(np.mean(total), rel=1e-4)


def test_the_encoder_sees_what_that_of_mae_sees():
    ours = tiny_model("CrossMAE")
    theirs = keras_ssl.MAE(ours.encoder, decoder_width=16, decoder_depth=1, decoder_heads=2)
    theirs.preprocessing = ours.preprocessing
    np.testing.assert_allclose(numbers(embedded(ours)["features"]), numbers(embedded(theirs)["features"]), atol=1e-5)


def test_of_one_prediction_and_one_target_the_loss_is_that_of_mae():
    """Limit: all hidden patches are predicted."""
    ours = tiny_model("CrossMAE", prediction_ratio=0.75)
    z, (_, predicted) = embedded(ours), places(ours)
    assert predicted.shape == (6, 12)
    whole, target, hidden = np.zeros((6, 16, 48)), np.zeros((6, 16, 48)), np.zeros((6, 16))
    for i in range(6):
        whole[i, predicted[i]], target[i, predicted[i]] = numbers(z["prediction"])[i], numbers(z["target"])[i]
        hidden[i, predicted[i]] = 1
    expected = reference.loss(whole, target, hidden)
    np.testing.assert_allclose(numbers(ours.sample_terms(z, Step.at(6))["reconstruction"].values), expected, rtol=1e-4)


@pytest.mark.parametrize("inter_block", [True, False])
def test_the_prediction_of_a_patch_does_not_depend_on_which_others_are_predicted(inter_block):
    model = tiny_model("CrossMAE", inter_block=inter_block)
    layers = [keras.ops.convert_to_tensor(draws(1, 5, 16, seed=seed)) for seed in range(3)]
    both = numbers(model.decode(layers, np.array([[3, 9]], "int32"), (4, 4)))
    other = numbers(model.decode(layers, np.array([[9, 12, 1]], "int32"), (4, 4)))
    np.testing.assert_allclose(both[:, 1], other[:, 0], atol=1e-5)
    assert np.abs(both[:, 0] - both[:, 1]).max() > 1e-3  # the position is known


def test_hidden_pixels_do_not_change_the_prediction():
    model = tiny_model("CrossMAE")
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    z, (visible, _) = embedded(model, images), places(model)
    seen = np.zeros((6, 16), "float32")
    for i in range(6):
        seen[i, visible[i]] = 1
    mask = seen.reshape(6, 4, 4).repeat(4, axis=1).repeat(4, axis=2)[..., None]
    other = embedded(model, images * mask + 0.5 * (1 - mask))
    np.testing.assert_allclose(numbers(z["prediction"]), numbers(other["prediction"]), atol=1e-5)
    changed = embedded(model, images * (1 - mask) + 0.5 * mask)
    assert np.abs(numbers(changed["prediction"]) - numbers(z["prediction"])).max() > 1e-4


def test_weights_on_the_last_layer_alone_give_the_encoder_s_output_as_context():
    model = tiny_model("CrossMAE")
    layers = [keras.ops.convert_to_tensor(draws(1, 5, 16, seed=seed)) for seed in range(3)]
    model.layer_weights.assign(np.array([[0, 0, 1.0]] * 2, "float32"))
    wanted = np.array([[3, 9]], "int32")
    found = numbers(model.decode(layers, wanted, (4, 4)))
    changed = [layers[0] + 1.0, layers[1] * 2.0, layers[2]]
    np.testing.assert_allclose(numbers(model.decode(changed, wanted, (4, 4))), found, atol=1e-6)
    model.inter_block = False  # of a normalized context the norm makes the same
    row = numbers(layers[2])
    unit = (row - row.mean(axis=-1, keepdims=True)) / row.std(axis=-1, keepdims=True)
    plain = model.decode([keras.ops.convert_to_tensor(unit.astype("float32"))], wanted, (4, 4))
    np.testing.assert_allclose(numbers(plain), found, atol=1e-4)


def test_without_a_mask_nothing_could_be_predicted():
    with pytest.raises(ValueError, match="Received: prediction_ratio=0.25"):
        keras_ssl.CrossMAE(tiny_vit(), mask_ratio=0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_ratio": 1.0}, "ratio=1.0"),
        ({"prediction_ratio": 0.8}, "prediction_ratio=0.8"),
        ({"prediction_ratio": 0.0}, "prediction_ratio=0.0"),
        ({"decoder_depth": 0}, "decoder_depth=0"),
        ({"decoder_width": 6}, "width=6"),
        ({"decoder_width": 16, "decoder_heads": 3}, "heads=3"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.CrossMAE(tiny_vit(), **options)


def test_needs_a_vision_transformer():
    with pytest.raises(ValueError, match="must be a vision transformer for CrossMAE"):
        keras_ssl.CrossMAE(tiny_encoder())


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="must be square. Received: 4 x 2 patches"):
        embedded(tiny_model("CrossMAE"), IMAGES[:, :, :8])

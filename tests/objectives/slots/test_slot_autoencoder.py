"""What slot autoencoders compute: a slow reference, limits, masks, bad input."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.matched_mask_loss import matched_mask_loss
from keras_ssl.losses.slot_cycle_loss import feature_cycle_loss, slot_cycle_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 16, 16, 3)).astype("uint8")
MASKS = RNG.integers(-1, 3, (3, 16, 16)).astype("int32")
TINY = {"slots": 3, "slot_width": 8, "decoder_width": 12, "decoder_depth": 2}


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def made(model, training=True, **fields):
    step = Step.at(len(IMAGES), training=training)
    embeddings = model.embed({"x": IMAGES, **fields}, step)
    return embeddings, engine.reduce(model, embeddings, step)


@pytest.mark.parametrize("make", [tiny_encoder, tiny_vit])
def test_the_image_is_the_sum_of_the_slots_by_their_masks(make):
    model = keras_ssl.SlotAutoencoder(make(), **TINY)
    images = model.encoder_input(IMAGES)
    parts = {name: numbers(part) for name, part in model.parts(images).items()}
    side = model.patch_side
    grid = (16 // side, 16 // side)
    pixels, logits = (numbers(x) for x in model.decoder(parts["slots"], grid=grid))
    target = numbers(images)
    places = grid[0] * grid[1]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scene = model.decompose(IMAGES)
    masks, error = numbers(scene.masks), np.zeros(3)
    for n in range(3):
        for t in range(places):
            for p in range(side**2):
                row, column = side * (t // grid[1]) + p // side, side * (t % grid[1]) + p % side
                value = sum(shares[n, k, t, p] * pixels[n, k, t, 3 * p : 3 * p + 3] for k in range(3))
                np.testing.assert_allclose(masks[n, :, row, column], shares[n, :, t, p], atol=1e-5)
                np.testing.assert_allclose(parts["prediction"][n, t, 3 * p : 3 * p + 3], value, atol=1e-4)
                error[n] += ((value - target[n, row, column]) ** 2).mean() / 256
    np.testing.assert_allclose(numbers(scene.error), error, rtol=1e-4)
    np.testing.assert_allclose(masks.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(numbers(scene.attention).sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(model.segment(IMAGES, batch_size=2), masks.argmax(axis=1))


def test_the_loss_is_that_of_its_parts():
    model = keras_ssl.SlotAutoencoder(tiny_encoder(), mask_weight=0.3, **TINY)
    z, found = made(model, masks=MASKS)
    error = np.square(numbers(z["prediction"]) - numbers(z["target"])).mean()
    assert float(found.logs["reconstruction"]) == pytest.approx(error, rel=1e-4)
    # The masks' pixels go with the decoder's.
    logits = numbers(z["logits"]).reshape(3, 3, 8, 8, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(3, 3, 256)
    loss = numbers(matched_mask_loss(logits, MASKS.reshape(3, 256))[0]).mean()
    assert float(found.logs["segmentation"]) == pytest.approx(loss, rel=1e-4)
    assert float(found.loss) == pytest.approx(error + 0.3 * loss, rel=1e-4)


def test_samples_without_masks_take_no_part_in_the_segmentation():
    model = keras_ssl.SlotAutoencoder(tiny_encoder(), **TINY)
    masks = MASKS.copy()
    masks[1] = -1
    z, found = made(model, masks=masks)
    losses, labeled = (numbers(x) for x in matched_mask_loss(z["logits"], z["masks"]))
    assert labeled.tolist() == [1, 0, 1] and losses[1] == 0
    assert float(found.logs["segmentation"]) == pytest.approx(losses[[0, 2]].mean(), rel=1e-5)
    without = keras.ops.zeros((3, 1, 1), "int32") - 1
    _, bare = made(model, masks=without)
    assert float(bare.logs["segmentation"]) == 0.0
    assert float(bare.loss) == pytest.approx(float(bare.logs["reconstruction"]))


def test_training_starts_from_noise_of_each_sample_and_use_from_one():
    model = keras_ssl.SlotAutoencoder(tiny_vit(), **TINY)
    same = np.repeat(IMAGES[:1], 3, axis=0)
    prediction = {}
    for training in (True, False):
        z = model.embed({"x": same, "masks": MASKS}, Step.at(3, training=training))
        prediction[training] = numbers(z["prediction"])
    assert np.abs(prediction[True][0] - prediction[True][1]).max() > 1e-6
    np.testing.assert_allclose(prediction[False][0], prediction[False][1], atol=1e-6)


def test_cycles_weigh_in_and_without_weight_it_is_the_autoencoder():
    config = {"slot_weight": 0.4, "feature_weight": 0.2, "temperature": 0.3, "threshold": 0.1, **TINY}
    keras.utils.set_random_seed(0)
    base = keras_ssl.SlotAutoencoder(tiny_encoder(), mask_weight=0.0, **TINY)
    model = keras_ssl.SlotCycleConsistency(base.encoder, **config)
    assert [w.shape for w in model.weights] == [w.shape for w in base.weights]
    model.set_weights(base.get_weights())
    z, found = made(model)
    plain = made(base)[1]
    walked = z["queries"], z["keys"], 0.3
    first, second = (numbers(x).mean() for x in (slot_cycle_loss(*walked), feature_cycle_loss(*walked, 0.1)))
    assert float(found.logs["slot_cycle"]) == pytest.approx(first, rel=1e-4)
    assert float(found.logs["feature_cycle"]) == pytest.approx(second, rel=1e-4)
    assert float(found.loss) == pytest.approx(float(plain.loss) + 0.4 * first + 0.2 * second, rel=1e-4)
    limit = keras_ssl.SlotCycleConsistency(base.encoder, slot_weight=0.0, feature_weight=0.0, **TINY)
    limit.set_weights(base.get_weights())
    assert float(made(limit)[1].loss) == pytest.approx(float(plain.loss), rel=1e-5)
    for mine, theirs in zip(limit.make_probe()(IMAGES)[2], base.make_probe()(IMAGES)[2], strict=True):
        np.testing.assert_allclose(numbers(mine), numbers(theirs), atol=1e-5)


def test_the_cycle_does_not_depend_on_the_order_of_slots():
    model = keras_ssl.SlotCycleConsistency(tiny_encoder(), **TINY)
    images = model.encoder_input(IMAGES)
    noise = RNG.normal(size=(3, 3, 8)).astype("float32")
    values = []
    for order in ([0, 1, 2], [2, 0, 1]):
        parts = model.parts(images, noise[:, order])
        z = model.more_embeddings(parts) | {"prediction": parts["prediction"], "target": parts["target"]}
        values.append([numbers(term.values) for term in model.sample_terms(z, Step.at(3)).values()])
    for one, two in zip(*values, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots": 1}, "slots=1"),
        ({"slots": 8}, "slots=8, mask_weight=0.1"),
        ({"slot_width": 0}, "slot_width=0"),
        ({"iterations": 0}, "iterations=0"),
        ({"decoder_width": 0}, "width=0"),
        ({"decoder_depth": 0}, "depth=0"),
        ({"mask_weight": -1.0}, "mask_weight=-1.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        keras_ssl.SlotAutoencoder(tiny_encoder(), **options)


def test_refuses_weights_of_the_cycles():
    for options in ({"slot_weight": -0.1}, {"feature_weight": -1}, {"temperature": 0.0}, {"threshold": 2.0}):
        with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
            keras_ssl.SlotCycleConsistency(tiny_encoder(), **options)


def test_refuses_encoders_images_and_masks():
    flat = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="for SlotAutoencoder"):
        keras_ssl.SlotAutoencoder(flat)
    model = tiny_model("SlotAutoencoder")
    model.compile("sgd")
    wrong = MASKS.copy()
    wrong[2, 3, 4] = 3
    with pytest.raises(ValueError, match=r"0 to `slots` - 1 = 2, or -1.*Received: masks=3 in sample 2"):
        model.fit({"x": IMAGES, "masks": wrong}, batch_size=3, verbose=0)
    with pytest.raises(ValueError, match="size of the images, 16 x 16. Received: masks.shape="):
        model.fit({"x": IMAGES, "masks": MASKS[:, :8]}, batch_size=3, verbose=0)
    with pytest.raises(ValueError, match="multiples of 2 pixels.*Received: shape="):
        model.decompose(IMAGES[:, :15])
    with pytest.raises(ValueError, match=r"Received: x.shape=\(16, 16, 3\)"):
        model.segment(IMAGES[0])


def test_more_slots_than_masks_can_be_matched_with_learn_without_masks():
    model = keras_ssl.SlotAutoencoder(tiny_encoder(), **{**TINY, "slots": 9}, mask_weight=0.0)
    _, found = made(model)
    assert set(found.logs) >= {"reconstruction"} and "segmentation" not in found.logs

"""Features of patches of every kind of model, the attentive probe, and all protocols in one call."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.evaluation import attentive_probe, dense_evaluation, patch_features
from keras_ssl.layers import AttentionPooling
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def test_tokens_and_maps_of_encoders():
    vit = tiny_vit()
    floats = (IMAGES / 255).astype("float32")
    expected = numbers(vit.encode(vit.tokens(floats)))[:, vit.prefix :].reshape(5, 4, 4, 16)
    np.testing.assert_allclose(patch_features(vit, floats, batch_size=2), expected, atol=1e-5)
    net = tiny_encoder()
    maps = patch_features(net, floats)
    assert maps.shape == (5, 8, 8, 16)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), numbers(net(floats)), atol=1e-5)
    trunk = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.AveragePooling2D(4)])
    means = floats.reshape(5, 4, 4, 4, 4, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(patch_features(trunk, floats), means, atol=1e-5)


def test_objectives_and_loaded_models_scale_their_pixels():
    for name in ("MAE", "DenseCL"):
        model = tiny_model(name)
        found = patch_features(model, IMAGES)
        assert found.shape[0] == 5
        prepared = numbers(model.encoder_input(IMAGES))
        np.testing.assert_allclose(found, patch_features(model.encoder, prepared), atol=1e-4)


def test_models_of_the_hub_keep_their_scale(tmp_path):
    model = tiny_model("MAE")
    keras_ssl.export(model, tmp_path / "entry", description="Tiny.", license="MIT")
    loaded = keras_ssl.load(tmp_path / "entry")
    np.testing.assert_allclose(patch_features(loaded, IMAGES), patch_features(model, IMAGES), atol=1e-4)


def test_a_model_without_places_is_refused():
    flat = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="for patch_features, such as .* Received: Sequential"):
        patch_features(flat, IMAGES)
    with pytest.raises(ValueError, match=r"must be \[N, H, W, C\]. Received: images.shape=\(5, 16\)"):
        patch_features(tiny_vit(), np.zeros((5, 16), "float32"))


def test_pooling_by_its_definition_in_any_order():
    layer = AttentionPooling(heads=2)
    tokens = RNG.normal(size=(3, 5, 8)).astype("float32")
    pooled = numbers(layer(tokens))
    key, key_bias, value, value_bias = (numbers(w).astype(float) for w in (*layer.key.weights, *layer.value.weights))
    query = numbers(layer.query).astype(float)
    for n in range(3):
        k, v = tokens[n] @ key + key_bias, tokens[n] @ value + value_bias
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            scores = np.exp(k[:, part] @ query[part] / 2.0)
            np.testing.assert_allclose(pooled[n, part], scores @ v[:, part] / scores.sum(), atol=1e-5)
    np.testing.assert_allclose(numbers(layer.attention(tokens)).sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(numbers(layer(tokens[:, ::-1].copy())), pooled, atol=1e-5)
    assert AttentionPooling.from_config(layer.get_config()).heads == 2
    with pytest.raises(ValueError, match="must divide the width, 8. Received: heads=3"):
        AttentionPooling(heads=3)(tokens)
    with pytest.raises(ValueError, match="Received: heads=0"):
        AttentionPooling(heads=0)


def needle(count, seed):
    """The class in one token of eight; the other tokens are noise of the same size."""
    rng = np.random.default_rng(seed)
    tokens, labels = rng.normal(size=(count, 8, 10)), rng.integers(0, 3, count)
    place = rng.integers(0, 8, count)
    tokens[np.arange(count), place] = 0.3 * rng.normal(size=(count, 10))
    tokens[np.arange(count), place, labels] += 5.0
    return tokens, labels


def test_the_probe_finds_what_one_token_holds():
    train, test = needle(600, 0), needle(200, 1)
    attentive = attentive_probe(*train, *test, epochs=30, learning_rate=0.01)
    assert attentive > 0.9
    names = np.array(["c", "a", "b"])
    named = attentive_probe(train[0], names[train[1]], test[0], names[test[1]], epochs=30, learning_rate=0.01)
    assert named == pytest.approx(attentive, abs=0.05)
    chance = attentive_probe(
        RNG.normal(size=(300, 4, 6)),
        RNG.integers(0, 3, 300),
        *[RNG.normal(size=(300, 4, 6)), RNG.integers(0, 3, 300)],
        epochs=3,
    )
    assert 0.2 < chance < 0.47
    maps = [train[0].reshape(600, 2, 4, 10), train[1], test[0].reshape(200, 2, 4, 10), test[1]]
    same = attentive_probe(*maps, epochs=2)
    assert same == attentive_probe(*train, *test, epochs=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": np.ones((4, 3, 6))}, "must have the same tokens. Received: train_tokens.shape"),
        ({"tokens": np.ones((4, 6))}, r"Received: tokens.shape=\(4, 6\)"),
        ({"train_tokens": np.full((4, 2, 6), np.inf)}, "must be finite. Received: train_tokens"),
        ({"labels": [0, 1]}, "Received: labels.shape"),
        ({"heads": 4}, "must divide the width, 6. Received: heads=4"),
        ({"epochs": 0}, "Received: epochs=0"),
        ({"learning_rate": 0.0}, "Received: learning_rate=0.0"),
        ({"weight_decay": -1.0}, "Received: weight_decay=-1.0"),
    ],
)
def test_the_probe_refuses(change, message):
    tokens, labels = RNG.normal(size=(4, 2, 6)), [0, 1, 0, 1]
    data = {"train_tokens": tokens, "train_labels": labels, "tokens": tokens, "labels": labels}
    with pytest.raises(ValueError, match=message):
        attentive_probe(**{**data, **change})


def test_all_protocols_in_one_call():
    x, masks = keras_ssl.data.digit_scenes("train", size=32, count=30, masks="classes")
    x_test, masks_test = keras_ssl.data.digit_scenes("test", size=32, count=10, masks="classes")
    objects = keras_ssl.data.digit_scenes("test", size=32, count=10)[1]
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.AveragePooling2D(4)])
    options = {"masks": masks, "masks_test": masks_test, "objects_test": objects, "k": 3}
    y = {"y": np.arange(30) % 2, "y_test": np.arange(10) % 2}
    found = dense_evaluation(model, x.astype("float32"), x_test.astype("float32"), **options, **y)
    named = {"linear_segmentation", "knn_segmentation", "corloc", "ari", "ari_foreground"}
    assert set(found) == named | {"patch_correspondence", "attentive"}
    assert all(np.isfinite(value) for value in found.values())
    assert found["ari_foreground"] > 0.3 and found["patch_correspondence"] > 0.1  # colors tell digits apart
    few = dense_evaluation(model, x.astype("float32"), x_test.astype("float32"))
    assert few == {"patch_correspondence": found["patch_correspondence"]}
    with pytest.raises(ValueError, match="knn_segmentation needs `masks` and `masks_test`. Received: None"):
        dense_evaluation(model, x, x_test, protocols=["knn_segmentation"])
    with pytest.raises(ValueError, match="attentive needs `y` and `y_test`. Received: None"):
        dense_evaluation(model, x, x_test, protocols=["attentive"])
    with pytest.raises(ValueError, match=r"Received: protocols=\['knn'\]"):
        dense_evaluation(model, x, x_test, protocols=["knn"])

"""The head's cosines, scores and logits against loops; gradients; a round trip."""

import keras
import numpy as np
import pytest

from keras_ssl.layers import ProtoPNetHead

RNG = np.random.default_rng(0)


def slow(maps, prototypes, v):
    classes, count = v.shape
    logits = np.zeros((len(maps), classes))
    for n, each in enumerate(maps.astype("float64")):
        for k in range(classes):
            shares = np.exp(v[k]) / np.exp(v[k]).sum()
            for j in range(count):
                w = prototypes[k * count + j].astype("float64")
                cosines = [z @ w / np.linalg.norm(z) / np.linalg.norm(w) for z in each.reshape(-1, len(w))]
                logits[n, k] += count * shares[j] * max(cosines)
    return logits


def test_equals_loops():
    head = ProtoPNetHead(3, 4)
    maps = RNG.normal(size=(5, 2, 3, 6)).astype("float32")
    head.build(maps.shape)
    v = RNG.normal(size=(3, 4)).astype("float32")
    head.weights_of_scores.assign(v)
    expected = slow(maps, np.asarray(keras.ops.convert_to_numpy(head.prototypes)), v.astype("float64"))
    np.testing.assert_allclose(head(maps), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(head(7 * maps), expected, rtol=1e-4, atol=1e-5)  # cosines know no scale


def test_starts_with_the_sum_of_scores():
    head = ProtoPNetHead(2, 3)
    maps = RNG.normal(size=(4, 2, 2, 5)).astype("float32")
    logits, scores = np.asarray(head(maps)), np.asarray(head.scores(maps))
    np.testing.assert_allclose(logits, scores.reshape(4, 2, 3).sum(axis=2), rtol=1e-5)
    assert np.asarray(head.activations(maps)).max() <= 1 + 1e-6


def test_a_place_that_shows_the_prototype_scores_one():
    head = ProtoPNetHead(2, 1)
    maps = RNG.normal(size=(1, 3, 3, 4)).astype("float32")
    head.build(maps.shape)
    maps[0, 2, 1] = 5 * np.asarray(keras.ops.convert_to_numpy(head.prototypes))[1]
    assert float(head.scores(maps)[0, 1]) == pytest.approx(1.0, abs=1e-6)
    assert int(np.argmax(np.asarray(head.activations(maps))[0, :, :, 1])) == 7
    assert np.all(np.isfinite(np.asarray(head(np.zeros((1, 3, 3, 4), "float32")))))


def test_weights_can_be_held():
    held, learned = ProtoPNetHead(2, 3, weighted=False), ProtoPNetHead(2, 3)
    for head in (held, learned):
        head.build((None, 2, 2, 4))
    assert len(held.trainable_variables) == 1 and len(learned.trainable_variables) == 2


def test_learns_in_a_model_and_comes_back_from_a_file(tmp_path):
    model = keras.Sequential([keras.layers.Input((4, 4, 2)), keras.layers.Conv2D(3, 1), ProtoPNetHead(2, 2)])
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = RNG.normal(size=(16, 4, 4, 2)).astype("float32"), np.arange(16) % 2
    x[y == 1, 0, 0] = 4.0
    losses = model.fit(x, y, epochs=15, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"classes": 1}, "Received: classes=1"), ({"prototypes_per_class": 0}, "Received: prototypes_per_class=0")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        ProtoPNetHead(**{"classes": 2, **options})


def test_refuses_inputs_that_are_no_maps():
    with pytest.raises(ValueError, match="Received: input_shape="):
        ProtoPNetHead(2)(np.ones((2, 3), "float32"))

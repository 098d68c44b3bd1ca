"""What InterPatchConsistency computes: the sum of its parts, what each is silent about, and its two streams."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import (
    inter_patch_consistency_loss,
    multi_source_consistency_loss,
    patch_affinity,
    smaller_cluster,
)
from keras_ssl.objectives.labels.inter_patch_consistency import noise_residual
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from tests.objectives.labels.semi import array
from tests.objectives.reference import draws, value

NAME = "InterPatchConsistency"
LABELS = np.array([0, 1, -1, 2, 0, 1], "int32")
X = np.random.default_rng(1).integers(0, 256, size=(6, 16, 16, 3)).astype("uint8")


def embeddings(**more):
    z = {"features": draws(6, 4), "y": LABELS}
    for n in range(2):
        z |= {f"map{n}": draws(6, 20, seed=n), f"patches{n}": draws(6, 20, 3, seed=5 + n)}
    return {name: keras.ops.convert_to_tensor(part) for name, part in {**z, **more}.items()}


def outcome(model, z, **step):
    found = engine.reduce(model, z, Step.at(6, **step))
    return value(found.loss), {name: value(log) for name, log in found.logs.items()}


def slow(z, top=2, norm="l1"):
    """The four parts, image by image and stream by stream."""
    known, tampered = np.flatnonzero(LABELS >= 0), np.flatnonzero(LABELS > 0)
    entropies, patches, clusters = [], [], []
    maps = []
    for s in range(2):
        logits = array(z[f"map{s}"]).astype("float64")
        maps.append(1 / (1 + np.exp(-logits)))
        affinity = patch_affinity(z[f"patches{s}"])
        for n in known:
            p = 1 / (1 + np.exp(-np.mean(np.sort(logits[n])[-top:])))
            entropies.append(-np.log(p if LABELS[n] > 0 else 1 - p))
            map_n = maps[s][n : n + 1] if LABELS[n] > 0 else np.zeros((1, 20))
            patches.append(float(inter_patch_consistency_loss(map_n.astype("float32"), affinity[n : n + 1], norm)[0]))
        marks = array(smaller_cluster(affinity))
        clusters += [np.mean((maps[s][n] - marks[n]) ** 2) for n in tampered]
    sources = np.mean(array(multi_source_consistency_loss([m.astype("float32") for m in maps])))
    return [np.mean(entropies), np.mean(patches), np.mean(clusters), sources]


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_is_the_sum_of_its_parts(norm):
    model = tiny_model(NAME, norm=norm, patch_weight=0.5, cluster_weight=2.0, source_weight=3.0)
    loss, logs = outcome(model, embeddings())
    parts = slow(embeddings(), norm=norm)
    for name, part in zip(("supervised", "patches", "clusters", "sources"), parts, strict=True):
        assert logs[name] == pytest.approx(part, rel=1e-4), name
    assert loss == pytest.approx(parts[0] + 0.5 * parts[1] + 2.0 * parts[2] + 3.0 * parts[3], rel=1e-4)


def test_weights_of_zero_leave_the_labels_of_images():
    model = tiny_model(NAME, patch_weight=0.0, source_weight=0.0, top_share=1.0)
    assert outcome(model, embeddings())[0] == pytest.approx(slow(embeddings(), top=20)[0], rel=1e-5)


def test_the_weight_of_the_streams_rises():
    model = tiny_model(NAME, patch_weight=0.0, source_weight=2.0, warmup_steps=10)
    parts = slow(embeddings())
    for updates, factor in ((0, np.exp(-5)), (5, np.exp(-1.25)), (20, 1.0)):
        loss, _ = outcome(model, embeddings(), updates=updates)
        assert loss == pytest.approx(parts[0] + 2.0 * factor * parts[3], rel=1e-4)


def test_accuracy_is_of_labeled_images():
    z = embeddings(map0=np.where(LABELS[:, None] > 0, 1.0, -1.0).astype("float32") * np.ones((6, 20), "float32"))
    z |= {"map1": z["map0"]}
    assert outcome(tiny_model(NAME), z)[1]["accuracy"] == 1.0
    z |= {"map0": -z["map0"], "map1": -z["map1"]}
    assert outcome(tiny_model(NAME), z)[1]["accuracy"] == 0.0


def test_an_unlabeled_image_counts_for_the_streams_alone():
    model = tiny_model(NAME, cluster_weight=1.0, source_weight=0.0)
    changed = {name: array(part).copy() for name, part in embeddings().items()}
    for name in ("map0", "map1", "patches0", "patches1"):
        changed[name][2] = -2 * changed[name][2]
    same, _ = outcome(model, {name: keras.ops.convert_to_tensor(part) for name, part in changed.items()})
    assert same == pytest.approx(outcome(model, embeddings())[0], rel=1e-6)


def test_the_residual_is_what_differs_from_the_neighbors():
    image = np.random.default_rng(0).normal(size=(1, 5, 6, 2)).astype("float32")
    padded, expected = np.pad(image, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge"), np.zeros_like(image)
    for i, j in np.ndindex(5, 6):
        expected[0, i, j] = image[0, i, j] - padded[0, i : i + 3, j : j + 3].mean(axis=(0, 1))
    np.testing.assert_allclose(noise_residual(image), expected, atol=1e-6)
    np.testing.assert_allclose(noise_residual(np.full((1, 4, 4, 1), 0.7, "float32")), 0.0, atol=1e-6)


def test_streams_have_weights_of_their_own():
    model = tiny_model(NAME)
    mine, theirs = ({id(weight) for weight in part.weights} for part in (model.encoder, model.residual_encoder))
    assert not mine & theirs and len(mine) == len(theirs)
    assert [w.shape for w in model.encoder.weights] == [w.shape for w in model.residual_encoder.weights]


def test_maps_have_the_sides_of_the_image():
    model = tiny_model(NAME)
    found = model.tampering_maps(X)
    assert found.shape == (6, 8, 8) and found.min() >= 0 and found.max() <= 1
    assert model.tampering_maps(X[:, :, :8]).shape == (6, 8, 4)


@pytest.mark.slow
def test_finds_a_noisy_region_from_labels_of_images():
    rng = np.random.default_rng(0)
    images, tampered = np.full((96, 16, 16, 1), 0.5, "float32"), np.arange(96) % 2
    truth = np.zeros((96, 16, 16), bool)
    for n in np.flatnonzero(tampered):
        i, j = rng.integers(0, 9, size=2)
        truth[n, i : i + 8, j : j + 8] = True
    images = np.clip(images + rng.normal(0, 1, images.shape) * np.where(truth, 0.2, 0.02)[..., None], 0, 1)
    keras.utils.set_random_seed(0)
    x = keras.Input((16, 16, 1))
    h = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    h = keras.layers.AveragePooling2D(4)(keras.layers.Conv2D(8, 3, padding="same", activation="relu")(h))
    encoder = keras.Model(x, keras.layers.GlobalAveragePooling2D()(h))
    model = keras_ssl.InterPatchConsistency(encoder, preprocessing=None, embedding_dim=4)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(images.astype("float32"), tampered.astype("int32"), batch_size=32, epochs=30, verbose=0)
    maps = model.tampering_maps(images.astype("float32"))
    share = truth.reshape(96, 4, 4, 4, 4).mean(axis=(2, 4))[tampered == 1]
    assert maps[tampered == 1][share > 0.9].mean() > maps[tampered == 1][share < 0.1].mean() + 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "embedding_dim=0"),
        ({"top_share": 0.0}, "top_share=0"),
        ({"norm": "l3"}, "norm='l3'"),
        ({"patch_weight": -1.0}, "patch_weight=-1"),
        ({"cluster_weight": float("inf")}, "cluster_weight=inf"),
        ({"source_weight": -1.0}, "source_weight=-1"),
        ({"warmup_steps": -1}, "warmup_steps=-1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.InterPatchConsistency(tiny_encoder(), **options)


def test_refuses_encoders_without_a_map():
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="must end in GlobalAveragePooling2D"):
        keras_ssl.InterPatchConsistency(keras.Model(inputs, keras.layers.Flatten()(inputs)))

"""What DenseCL computes: a slow reference, MoCo as a limit, the matching of places."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.objectives.reference import slow_info_nce, unit, value

IMAGES = np.random.RandomState(0).randint(0, 256, (4, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def made(model, images=IMAGES):
    return model.embed({"x": images}, Step.at(len(images)))


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_loss_is_that_of_its_parts(weight):
    model = tiny_model("DenseCL", dense_weight=weight, temperature=0.3)
    z = made(model)
    found = engine.reduce(model, z, Step.at(4))
    whole = slow_info_nce(numbers(z["q1"]), numbers(z["k2"]), 0.3, numbers(model.queue.contents))
    flat = [numbers(z[name]).reshape(-1, 8) for name in ("dense_query", "dense_key")]
    dense = slow_info_nce(*flat, 0.3, numbers(model.dense_queue.contents))
    assert value(found.logs["whole"]) == pytest.approx(whole, rel=1e-4)
    assert value(found.logs["dense"]) == pytest.approx(dense, rel=1e-4)
    assert value(found.loss) == pytest.approx((1 - weight) * whole + weight * dense, rel=1e-4)


@pytest.mark.parametrize("make", [tiny_encoder, tiny_vit])
def test_places_are_matched_by_the_features_before_the_head(make):
    model = keras_ssl.DenseCL(make(), projector=(8,), dense_projector=(6,), queue_size=16)
    model.explicit_views = False
    first, second = IMAGES, IMAGES[:, ::-1].copy()
    z = model.embed({"x": (first, second)}, Step.at(4))
    views = model.make_views({"x": (first, second)}, Step.at(4))
    (f, _), (g, _) = (model._map(view, training=True) for view in views)
    f, g = numbers(f), numbers(g)
    keys = np.stack([numbers(model.dense_projector(keras.ops.convert_to_tensor(row.astype("float32")))) for row in g])
    for i in range(4):
        for s in range(f.shape[1]):
            best = int(np.argmax(unit(f[i, s : s + 1]) @ unit(g[i]).T))
            wanted = keys[i, best] / np.linalg.norm(keys[i, best])
            np.testing.assert_allclose(numbers(z["dense_key"])[i, s], wanted, atol=1e-3)
        mean = keys[i].mean(axis=0)
        np.testing.assert_allclose(numbers(z["dense_mean"])[i], mean / np.linalg.norm(mean), atol=1e-3)


def test_both_queues_take_the_keys_and_the_teacher_follows_all_three():
    model = tiny_model("DenseCL", momentum=0.0)
    z = made(model)
    model.projector.weights[0].assign(model.projector.weights[0] + 1.0)
    model.dense_projector.weights[0].assign(model.dense_projector.weights[0] + 1.0)
    model.after_step(z, keras.ops.convert_to_tensor(True), Step.at(4))
    np.testing.assert_allclose(numbers(model.queue.contents)[:4], numbers(z["k2"]), atol=1e-6)
    np.testing.assert_allclose(numbers(model.dense_queue.contents)[:4], numbers(z["dense_mean"]), atol=1e-6)
    for mine, theirs in zip(model.teacher.modules[1:], (model.projector, model.dense_projector), strict=True):
        np.testing.assert_allclose(numbers(mine.weights[0]), numbers(theirs.weights[0]), atol=1e-6)


def test_an_encoder_without_a_map_is_refused():
    flat = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="for DenseCL"):
        keras_ssl.DenseCL(flat)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dense_weight": 1.5}, "dense_weight=1.5"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"queue_size": 0}, "size=0"),
        ({"momentum": -0.1}, "momentum=-0.1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        keras_ssl.DenseCL(tiny_encoder(), projector=(4,), dense_projector=(4,), **{"queue_size": 8, **options})

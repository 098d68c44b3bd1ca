"""What MultiPathConsistency computes: heat maps of labeled points, paths that follow the easy view, and key points."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.objectives.labels.multi_path_consistency import gaussian_maps
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from keras_ssl.views.functional.affine_warp import affine_warp, turn_and_zoom
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.labels.semi import array
from tests.objectives.reference import draws, value

NAME = "MultiPathConsistency"
POINTS = np.random.default_rng(0).uniform(0.1, 0.9, size=(4, 3, 2)).astype("float32")
POINTS[1] = -1  # an unlabeled sample
POINTS[2, 1] = -1  # an unlabeled point
ANGLES, ZOOMS = np.array([0.2, -0.3, 0.0, 0.1], "float32"), np.array([1.1, 0.9, 1.0, 1.2], "float32")
X = np.random.default_rng(1).integers(0, 256, size=(8, 16, 16, 3)).astype("uint8")


def embeddings(paths=2, **more):
    z = {
        "features": draws(4, 5),
        "easy": draws(4, 6, 6, 3),
        "points": POINTS,
        "back": turn_and_zoom(-ANGLES, 1 / ZOOMS),
    }
    for k in range(1, paths + 1):
        z |= {f"hard{k}": draws(4, 6, 6, 3, seed=k), f"turn{k}": turn_and_zoom(k * ANGLES, ZOOMS**k)}
    return {name: keras.ops.convert_to_tensor(part) for name, part in {**z, **more}.items()}


def slow_supervised(easy):
    """Mean over labeled points; each Gaussian drawn cell by cell, around the point as the easy view shows it."""
    total, count = 0.0, 0
    for n in range(4):
        inverse = np.linalg.inv(
            np.asarray(turn_and_zoom(ANGLES[n : n + 1], ZOOMS[n : n + 1]))[0, :, :2].astype("float64")
        )
        for p in range(3):
            if POINTS[n, p, 0] < 0:
                continue
            x, y = (inverse @ (2 * POINTS[n, p].astype("float64") - 1) + 1) / 2
            wanted = [
                [np.exp(-((j + 0.5 - 6 * x) ** 2 + (i + 0.5 - 6 * y) ** 2) / (2 * 0.8**2)) for j in range(6)]
                for i in range(6)
            ]
            total, count = total + np.mean((easy[n, :, :, p] - np.array(wanted)) ** 2), count + 1
    return total / count


def slow_consistency(z, paths):
    total = 0.0
    for k in range(1, paths + 1):
        target, shown = (
            array(affine_warp(maps, z[f"turn{k}"], "zero")) for maps in (z["easy"], np.ones((4, 6, 6, 1), "float32"))
        )
        total += np.mean([np.mean(shown[n] * (array(z[f"hard{k}"])[n] - target[n]) ** 2) for n in range(4)])
    return total


@pytest.mark.parametrize(("paths", "weight"), [(1, 1.0), (2, 0.5)])
def test_equals_the_reference(paths, weight):
    model, z = tiny_model(NAME, paths=paths, sigma=0.8, unlabeled_weight=weight), embeddings(paths)
    found = engine.reduce(model, z, Step.at(4))
    logs = {name: value(log) for name, log in found.logs.items()}
    assert logs["supervised"] == pytest.approx(slow_supervised(array(z["easy"])), rel=1e-4)
    assert logs["consistency"] == pytest.approx(slow_consistency(z, paths), rel=1e-4)
    assert value(found.loss) == pytest.approx(logs["supervised"] + weight * logs["consistency"], rel=1e-5)


def test_weight_zero_is_supervised_training_and_without_labels_nothing_is_supervised():
    model = tiny_model(NAME, paths=2, unlabeled_weight=0.0, sigma=0.8)
    assert value(engine.reduce(model, embeddings(), Step.at(4)).loss) == pytest.approx(
        slow_supervised(draws(4, 6, 6, 3)), rel=1e-4
    )
    nothing = embeddings(points=np.full_like(POINTS, -1))
    assert value(engine.reduce(model, nothing, Step.at(4)).loss) == 0.0


def test_the_easy_branch_gets_no_gradient_of_the_consistency():
    model = tiny_model(NAME, paths=1)

    def loss(easy, hard):
        return keras.ops.sum(model.sample_terms(embeddings(1, easy=easy, hard1=hard), Step.at(4))["consistency"].values)

    _, (easy, hard) = differentiate(loss, draws(4, 6, 6, 3), draws(4, 6, 6, 3, seed=1), dtype="float32")
    assert not easy.any() and hard.any()


def pixel_model(**options):
    """A network whose map is the image: exactly equivariant."""
    images = keras.Input((12, 12, 1))
    encoder = keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.Identity()(images)))
    view = keras_ssl.views.Identity()
    options = {"paths": 2, "views": keras_ssl.views.MultiView([view] * 3), "preprocessing": None, **options}
    model = keras_ssl.MultiPathConsistency(encoder, points=1, **options)
    model.heat_head.set_weights([np.ones((1, 1), "float32"), np.zeros((1,), "float32")])
    return model


def blob(points, sigma=1.5):
    return np.asarray(gaussian_maps(np.asarray(points, "float32")[:, None], 12, 12, sigma))


def test_an_equivariant_network_has_nearly_no_loss_and_another_one_has():
    batch = {
        "x": keras.ops.convert_to_tensor(blob([(0.3, 0.5), (0.65, 0.35)])),
        "points": np.full((2, 1, 2), -1.0, "float32"),
    }
    model = pixel_model(rotations=(20.0, 90.0), zooms=(0.0, 0.2))
    z = model.embed(batch, Step.at(2))
    terms = model.sample_terms(z, Step.at(2))
    # Twice interpolated is not once interpolated: what is left is a small part of what an unmoved target would give.
    still = {name: (turn_and_zoom([0.0] * 2, [1.0] * 2) if "turn" in name else part) for name, part in z.items()}
    unmoved = array(model.sample_terms(still, Step.at(2))["consistency"].values)
    assert array(terms["consistency"].values).sum() < 0.05 * unmoved.sum()


def test_hard_views_are_turned_more_than_easy_ones():
    model = pixel_model(rotations=(0.0, 60.0), zooms=(0.0, 0.25))
    batch = {"x": keras.ops.convert_to_tensor(blob([(0.3, 0.3)] * 64)), "points": np.full((64, 1, 2), -1.0, "float32")}
    z = {name: array(part) for name, part in model.embed(batch, Step.at(64)).items()}
    np.testing.assert_allclose(z["easy"], array(batch["x"]), atol=1e-5)
    np.testing.assert_allclose(z["back"], np.tile(np.eye(2, 3), (64, 1, 1)), atol=1e-6)
    for name in ("turn1", "turn2"):
        angle = np.arctan2(z[name][:, 1, 0], z[name][:, 0, 0])
        zoom = np.hypot(z[name][:, 1, 0], z[name][:, 0, 0])
        assert 0.8 < np.abs(angle).max() <= np.pi / 3 + 1e-5
        assert 0.75 - 1e-5 <= zoom.min() < 0.85 and 1.15 < zoom.max() <= 1.25 + 1e-5
    assert not np.allclose(z["turn1"], z["turn2"])


def test_points_follow_the_turn_of_the_easy_view():
    """A network that shows the point itself has no supervised loss, however the easy view is turned."""
    points = np.array([(0.4, 0.5), (0.6, 0.35)], "float32")
    model = pixel_model(rotations=(60.0, 60.0), zooms=(0.0, 0.0), sigma=1.5)
    batch = {"x": keras.ops.convert_to_tensor(blob(points)), "points": points[:, None]}
    found = array(model.sample_terms(model.embed(batch, Step.at(2)), Step.at(2))["supervised"].values)
    np.testing.assert_allclose(found, 0.0, atol=2e-3)


def test_locates_points():
    points = np.array([(0.41, 0.52), (0.625, 0.375)], "float32")
    found = pixel_model().locate(blob(points, sigma=0.8))
    assert found.shape == (2, 1, 2)
    np.testing.assert_allclose(found[:, 0], points, atol=0.02)


def test_heat_maps_have_the_sides_of_the_image():
    model = tiny_model(NAME)
    assert tuple(model.heat_maps(X).shape) == (8, 8, 8, 3)
    assert tuple(model.heat_maps(X[:, :, :8]).shape) == (8, 8, 4, 3)


def test_learns_from_labels():
    rng = np.random.default_rng(0)
    points = rng.uniform(0.2, 0.8, size=(64, 2)).astype("float32")
    keras.utils.set_random_seed(0)
    model = pixel_model(paths=1, sigma=1.5, views=keras_ssl.views.MultiView([keras_ssl.views.Identity()] * 2))
    model.heat_head.set_weights([np.full((1, 1), 0.2, "float32"), np.zeros((1,), "float32")])
    model.compile(keras.optimizers.Adam(0.05))
    history = model.fit({"x": blob(points), "points": points[:, None]}, batch_size=16, epochs=8, verbose=0).history
    assert history["supervised"][-1] < 0.5 * history["supervised"][0]


def test_config_keeps_every_argument():
    model = tiny_model(NAME, paths=1, sigma=0.7, rotations=(5, 10), zooms=(0.0, 0.1), unlabeled_weight=3.0)
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert (again.sigma, again.rotations, again.zooms, again.unlabeled_weight) == (0.7, (5.0, 10.0), (0.0, 0.1), 3.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 0}, "points=0"),
        ({"paths": 0}, "paths=0"),
        ({"sigma": 0.0}, "sigma=0"),
        ({"rotations": 30.0}, "rotations=30"),
        ({"rotations": (10.0, 200.0)}, "rotations=200"),
        ({"zooms": (0.0, 1.0)}, "zooms=1"),
        ({"unlabeled_weight": -1.0}, "unlabeled_weight=-1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.MultiPathConsistency(tiny_encoder(), **{"points": 3, **options})


def test_refuses_encoders_without_a_map_points_that_are_not_finite_and_too_few_views():
    inputs = keras.Input((8, 8, 3))
    flat = keras.Model(inputs, keras.layers.Flatten()(inputs))
    with pytest.raises(ValueError, match="must end in GlobalAveragePooling2D"):
        keras_ssl.MultiPathConsistency(flat, points=3)
    points = np.full((8, 3, 2), 0.5, "float32")
    points[5, 1] = np.nan
    with pytest.raises(ValueError, match="in sample 5"):
        tiny_model(NAME).check_batch({"x": X, "points": points})
    with pytest.raises(ValueError, match="needs 4 views"):
        tiny_model(NAME, paths=3).embed({"x": keras.ops.convert_to_tensor(X), "points": points}, Step.at(8))

"""What VICRegL computes: a slow reference, positions of places, VICReg as a limit, gradients."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.vicreg_loss import vicreg_loss
from keras_ssl.objectives.dense.vic_reg_l import place_distances, place_positions
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.losses.test_vicregl_loss import slow_matches, slow_terms
from tests.objectives.reference import value

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3)).astype("uint8")
OTHERS = np.random.RandomState(1).randint(0, 256, (6, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def made(model, views=(IMAGES, OTHERS)):
    model.explicit_views = False
    return model.embed({"x": views}, Step.at(6))


def still(**options):
    """A model that neither crops nor mirrors."""
    return tiny_model("VICRegL", crop_scale=(1.0, 1.0), flip=0.0, **options)


def maps(model, views=(IMAGES, OTHERS)):
    """Local projections of both views, which are taken as they are."""
    model.explicit_views = False
    found = []
    for view in model.make_views({"x": views}, Step.at(6)):
        places, _ = model._map(view, training=True)
        flat = model.local_projector(keras.ops.reshape(places, (-1, places.shape[2])), training=True)
        found.append(numbers(keras.ops.reshape(flat, (-1, places.shape[1], flat.shape[1]))))
    return found


def test_the_loss_is_that_of_its_parts():
    weights = {"invariance_weight": 3.0, "variance_weight": 2.0, "covariance_weight": 5.0}
    model = still(alpha=0.3, matches=(5, 2), **weights)
    z = made(model)
    found = engine.reduce(model, z, Step.at(6))

    def weighted(a, b):
        return sum(w * term for w, term in zip((3.0, 2.0, 5.0), slow_terms(a, b), strict=True))

    whole = weighted(numbers(z["z1"])[:, None], numbers(z["z2"])[:, None])
    one, two = maps(model)
    side = 8
    place = np.stack(np.indices((side, side)), axis=-1).reshape(-1, 2)
    location = np.repeat(((place[:, None] - place) ** 2).sum(axis=-1)[None], 6, axis=0)
    parts = {}
    for kind in ("feature", "location"):
        losses = []
        for a, b in ((one, two), (two, one)):
            distances = ((a[:, :, None] - b[:, None]) ** 2).sum(axis=-1) if kind == "feature" else location
            losses += [weighted(*slow_matches(a, b, distances, count)) for count in (5, 2)]
        parts[kind] = np.mean(losses)
        assert value(found.logs[kind]) == pytest.approx(parts[kind], rel=2e-3)
    assert value(found.logs["whole"]) == pytest.approx(whole, rel=1e-3)
    assert value(found.loss) == pytest.approx(0.3 * whole + 0.7 * sum(parts.values()), rel=2e-3)


def test_with_alpha_1_it_is_vicreg_with_half_the_covariance_weight():
    model = still(alpha=1.0, covariance_weight=4.0)
    z = made(model)
    wanted = value(vicreg_loss(z["z1"], z["z2"], covariance_weight=2.0))
    assert value(engine.reduce(model, z, Step.at(6)).loss) == pytest.approx(wanted, rel=1e-5)


def test_positions_are_those_of_the_middles_of_places_in_the_image():
    """A crop of height 6 and width 4 at (1, 2), of 2 x 2 places: middles 1.5 and 1 pixel from its edge."""
    box = [np.array([part, part], "int32") for part in (1, 2, 6, 4)]
    found = numbers(place_positions(box, np.array([False, True]), 2)) / 4
    np.testing.assert_allclose(found[0], [[2.5, 3.0], [2.5, 5.0], [5.5, 3.0], [5.5, 5.0]])
    np.testing.assert_allclose(found[1], [[2.5, 5.0], [2.5, 3.0], [5.5, 5.0], [5.5, 3.0]])


@pytest.mark.parametrize(("size", "side"), [(96, 3), (512, 32), (1024, 32), (3000, 16), (20000, 14)])
def test_the_nearest_place_is_found_in_images_of_any_size(size, side):
    """Squares of positions leave int32 from images of about 1000 pixels on: then a far place would look near."""
    rng, kept = np.random.default_rng(size), size // 5
    boxes = [tuple(np.array(part, "int32") for part in ([t], [u], [kept], [kept])) for t, u in ((0, 3), (7, size // 2))]
    far = tuple(np.array([part], "int32") for part in (size - kept, size - kept, kept, kept))
    for one, two in (boxes, (boxes[0], far)):
        a, b = (place_positions(box, np.array([rng.random() < 0.5]), side) for box in (one, two))
        found = numbers(place_distances(a, b, 2 * side * size))[0].argmin(axis=1)
        exact = np.square(numbers(a)[0][:, None] - numbers(b)[0][None]).sum(axis=2)
        pixels = np.sqrt(exact) / (2 * side)
        assert np.all(pixels[np.arange(side**2), found] <= pixels.min(axis=1) + 1.0)


def test_what_is_matched_by_location_is_the_same_part_of_the_image():
    """The map of an encoder that puts out its pixels: a pair by location has the same values, crops and flips or not.

    Each pixel's value is its place in the image, so that a crop tells where it comes from.
    """
    image = keras.Input((16, 16, 3))
    encoder = keras.Model(image, keras.layers.GlobalAveragePooling2D()(keras.layers.Activation("linear")(image)))
    model = keras_ssl.VICRegL(
        encoder, projector=(4,), local_projector=(3,), matches=(16, 4), crop_scale=(0.4, 0.9), preprocessing=None
    )
    model.local_projector.set_weights([np.eye(3), *(np.asarray(w) for w in model.local_projector.get_weights()[1:])])
    row, column = np.indices((16, 16)) / 16
    view = np.repeat(np.stack([row, column, 0 * row], axis=-1)[None].astype("float32"), 6, axis=0)
    z = made(model, (view, view))
    for way in ("12", "21"):
        a, b = (numbers(z[f"location_{way}_{part}"])[:, :4] for part in "ab")
        assert np.abs(a - b).max() < 0.06  # within a pixel
    a, b = (numbers(z[f"location_12_{part}"]) for part in "ab")
    assert np.std(a[:, :, 0]) > 0.05  # and not one place of all


@pytest.mark.parametrize("make", [tiny_encoder, tiny_vit])
def test_same_views_are_matched_with_themselves(make):
    model = keras_ssl.VICRegL(make(), projector=(8,), local_projector=(6,), crop_scale=(1.0, 1.0), flip=0.0)
    z = made(model, (IMAGES, IMAGES))
    for kind in ("feature", "location"):
        np.testing.assert_allclose(numbers(z[f"{kind}_12_a"]), numbers(z[f"{kind}_12_b"]), atol=1e-5)


def test_both_crops_of_a_pair_learn():
    """Gradients flow to both places of a pair, and not through the choice of pairs."""
    a, b = (np.random.RandomState(seed).normal(size=(4, 5, 3)).astype("float32") for seed in (0, 1))
    from keras_ssl.losses.vicregl_loss import place_vicreg_terms

    base = value(place_vicreg_terms(a, b)[0])
    for z, other in ((a, b), (b, a)):
        moved = z.copy()
        moved[0, 0, 0] += 0.1
        change = ((moved - other) ** 2).mean() - ((z - other) ** 2).mean()
        assert value(place_vicreg_terms(moved, other)[0]) - base == pytest.approx(change, abs=1e-5)


def test_an_encoder_without_a_map_is_refused():
    flat = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="for VICRegL"):
        keras_ssl.VICRegL(flat)


def test_a_map_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="must be square. Received: 32 places"):
        made(still(), (IMAGES[:, :8], IMAGES[:, :8]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, "alpha=1.5"),
        ({"matches": (0, 4)}, "matches=0"),
        ({"matches": 3}, "matches=3"),
        ({"variance_weight": -1.0}, "variance_weight=-1.0"),
        ({"flip": 2.0}, "flip=2.0"),
        ({"crop_scale": (0.0, 1.0)}, "scale="),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        tiny_model("VICRegL", **options)

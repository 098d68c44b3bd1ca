"""The universal attack: its bound, its optimum for a linear encoder, and what it leaves alone."""

import keras
import numpy as np
import pytest

from keras_ssl.attacks import (
    AdvEncoder,
    UniversalPatch,
    UniversalPerturbation,
    fooling_rate,
    high_pass_filter,
    low_pass_filter,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0.3, 0.7, size=(24, 6, 6, 2)).astype("float32")


def array(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def encoder(width=4):
    model = keras.Sequential(
        [keras.layers.Input((6, 6, 2)), keras.layers.Conv2D(6, 3), keras.layers.BatchNormalization()]
        + [keras.layers.ReLU(), keras.layers.Flatten(), keras.layers.Dense(width)]
    )
    for place, variable in enumerate(model.variables):
        rng = np.random.default_rng(place)
        variable.assign(
            rng.uniform(0.5, 1.5, variable.shape) if "va" in variable.name else rng.normal(size=variable.shape)
        )
    return model


def generator():
    return keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(72), keras.layers.Reshape((6, 6, 2))])


@pytest.mark.parametrize("make", [lambda: None, generator])
@pytest.mark.parametrize("loss", ["info_nce", "distance"])
def test_one_bounded_perturbation_for_all_images_and_the_encoder_stays_as_it_is(make, loss):
    model = encoder()
    before = [np.array(array(v)) for v in model.variables]
    attack = AdvEncoder(model, 0.05, make(), loss, learning_rate=0.1).fit(IMAGES, epochs=3, batch_size=8)
    assert attack.delta.shape == (6, 6, 2) and 0 < np.abs(attack.delta).max() <= 0.05 * (1 + 1e-6)
    attacked = attack(IMAGES)
    np.testing.assert_allclose(attacked - IMAGES, np.broadcast_to(attack.delta, IMAGES.shape), atol=1e-6)
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, array(variable))
    moved = np.linalg.norm(array(model(attacked)) - array(model(IMAGES)), axis=1).mean()
    noise = np.clip(IMAGES + 0.05 * RNG.choice([-1, 1], (6, 6, 2)), 0, 1).astype("float32")
    assert loss == "info_nce" or moved > np.linalg.norm(array(model(noise)) - array(model(IMAGES)), axis=1).mean()


def test_reaches_the_optimum_of_a_linear_encoder():
    model = keras.Sequential([keras.layers.Input((6, 6, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
    attack = AdvEncoder(model, 0.1, loss="distance", high_pass_weight=0, norm_weight=0).fit(IMAGES, 20, 8)
    best = 0.1 * np.sign(model.get_weights()[0]).reshape(6, 6, 2)
    assert np.allclose(attack.delta, best, atol=1e-6) or np.allclose(attack.delta, -best, atol=1e-6)


@pytest.mark.parametrize(("generated", "loss"), [(False, "info_nce"), (False, "distance"), (True, "distance")])
def test_one_patch_for_all_images_and_nothing_else_changes(generated, loss):
    model = encoder()
    before = [np.array(array(v)) for v in model.variables]
    layers = [keras.layers.Input((5,)), keras.layers.Dense(8), keras.layers.Reshape((2, 2, 2))]
    made = keras.Sequential(layers) if generated else None
    attack = AdvEncoder(model, generator=made, loss=loss, patch_share=0.12, patch_place=(1, 3), learning_rate=0.1)
    patch = attack.fit(IMAGES, epochs=3, batch_size=8)
    assert isinstance(patch, UniversalPatch) and patch.patch.shape == (2, 2, 2)  # 0.12 * 36 = 4.32 pixels
    assert patch.patch.min() >= 0 and patch.patch.max() <= 1
    expected = IMAGES.copy()
    for n in range(len(IMAGES)):
        for row in range(2):
            for column in range(2):
                expected[n, 1 + row, 3 + column] = patch.patch[row, column]
    np.testing.assert_array_equal(patch(IMAGES), expected)
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, array(variable))
    gray = UniversalPatch(np.full((2, 2, 2), 0.5), 1, 3)
    moved, less = (
        np.linalg.norm(array(model(part(IMAGES))) - array(model(IMAGES)), axis=1).mean() for part in (patch, gray)
    )
    assert loss == "info_nce" or moved > less


def test_the_patch_reaches_the_optimum_of_a_linear_encoder():
    """Images of gray 0.5: the features move most where every value is at an end of the range."""
    model = keras.Sequential([keras.layers.Input((6, 6, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
    images = np.full((8, 6, 6, 2), 0.5, "float32")
    options = {"loss": "distance", "high_pass_weight": 0, "norm_weight": 0, "patch_share": 0.25, "patch_place": (2, 1)}
    found = AdvEncoder(model, **options).fit(images, 30, 8).patch
    signs = np.sign(model.get_weights()[0]).reshape(6, 6, 2)[2:5, 1:4]
    assert np.allclose(found, 0.5 + 0.5 * signs, atol=1e-6) or np.allclose(found, 0.5 - 0.5 * signs, atol=1e-6)


def test_loss_of_a_patch_equals_loops():
    model, patch = encoder(), RNG.uniform(0, 1, size=(2, 2, 2)).astype("float32")
    attack = AdvEncoder(model, 0.5, None, "info_nce", 0.7, 1.5, 0.4, 2, 0.2, patch_share=0.12, patch_place=(4, 0))
    attacked = IMAGES.copy()
    attacked[:, 4:, :2] = patch
    f, g = (array(model(part)).astype("float64") for part in (IMAGES, attacked))
    f, g = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (f, g))
    total = 0.0
    for n in range(len(f)):
        similar = [g[n] @ f[m] / 0.2 for m in range(len(f))]
        total -= 0.7 * (np.log(np.sum(np.exp(similar))) - similar[n]) / len(f)
    difference = (attacked - IMAGES).astype("float64")
    total += 0.4 * np.mean(difference**2) - 1.5 * np.mean(array(high_pass_filter(difference, 2)) ** 2)
    assert float(attack.loss(IMAGES, patch)) == pytest.approx(total, rel=1e-4)


def test_the_usual_rate_is_of_the_perturbation_or_of_the_generator():
    assert AdvEncoder(encoder()).learning_rate == 0.1
    assert AdvEncoder(encoder(), generator=generator()).learning_rate == 2e-4


def test_the_usual_place_and_size_of_a_patch():
    attack = AdvEncoder(encoder(), patch_share=0.03)
    found = attack.fit(IMAGES, epochs=1)
    assert found.patch.shape == (1, 1, 2) and (found.row, found.column) == (4, 4)  # 6 - 1 - round(6 * 14 / 64)
    assert AdvEncoder(encoder(), patch_share=1.0).fit(IMAGES, epochs=1).patch.shape == (6, 6, 2)


def test_images_are_clipped_to_their_range():
    attack = UniversalPerturbation(np.full((6, 6, 2), 0.2), 0.2)
    dark, bright = np.zeros((1, 6, 6, 2), "float32"), np.full((1, 6, 6, 2), 0.9, "float32")
    assert attack(bright).max() == 1.0 and attack(dark).max() == pytest.approx(0.2)
    assert UniversalPerturbation(-attack.delta, 0.2, (-1, 1))(dark).min() == pytest.approx(-0.2)


def test_epsilon_zero_changes_nothing_and_fools_nobody():
    model = encoder()
    attack = AdvEncoder(model, 0.0).fit(IMAGES)
    np.testing.assert_array_equal(attack(IMAGES), IMAGES)
    np.testing.assert_array_equal(array(model(attack(IMAGES))), array(model(IMAGES)))
    assert fooling_rate(array(model(attack(IMAGES))), array(model(IMAGES))) == 0.0


def test_fooling_rate_rises_with_epsilon():
    model = encoder()
    middle = np.median(array(model(IMAGES)), axis=0)[0]  # a classifier on the first feature
    clean = array(model(IMAGES))[:, 0] > middle
    rates = []
    for epsilon in (0.0, 0.02, 0.1, 0.3):
        attack = AdvEncoder(model, epsilon, loss="distance").fit(IMAGES, epochs=8, batch_size=8)
        rates.append(fooling_rate(clean, array(model(attack(IMAGES)))[:, 0] > middle))
    assert rates == sorted(rates) and rates[-1] > 0.3


def slow_loss(model, images, delta, alpha, beta, norm, radius, temperature, kind):
    images = images.astype("float64")
    attacked = np.clip(images + delta, 0, 1)
    f, g = (array(model(part.astype("float32"))).astype("float64") for part in (images, attacked))
    if kind == "distance":
        total = -alpha * np.mean([np.sum((a - b) ** 2) for a, b in zip(f, g, strict=True)])
    else:
        f, g = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (f, g))
        total = 0.0
        for n in range(len(f)):
            similar = [g[n] @ f[m] / temperature for m in range(len(f))]
            total -= alpha * (np.log(np.sum(np.exp(similar))) - similar[n]) / len(f)
    high = np.zeros_like(images)
    for n in range(len(images)):
        for c in range(images.shape[-1]):
            spectrum = np.fft.fft2((attacked - images)[n, :, :, c])
            for u in range(6):
                for v in range(6):
                    a, b = min(u, 6 - u), min(v, 6 - v)
                    if a * a + b * b < radius**2:
                        spectrum[u, v] = 0
            high[n, :, :, c] = np.fft.ifft2(spectrum).real
    return total - beta * np.mean(high**2) + norm * np.mean((attacked - images) ** 2)


@pytest.mark.parametrize("kind", ["info_nce", "distance"])
def test_loss_equals_loops(kind):
    model, delta = encoder(), RNG.uniform(-0.5, 0.5, size=(6, 6, 2)).astype("float32")
    attack = AdvEncoder(model, 0.5, None, kind, 0.7, 1.5, 0.4, radius=2, temperature=0.2)
    expected = slow_loss(model, IMAGES, delta, 0.7, 1.5, 0.4, 2, 0.2, kind)
    assert float(attack.loss(IMAGES, delta)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", [(2, 6, 6, 2), (1, 5, 8, 1)])
def test_filters(shape):
    images = RNG.normal(size=shape).astype("float32")
    high, low = array(high_pass_filter(images, 2)), array(low_pass_filter(images, 2))
    np.testing.assert_allclose(high + low, images, atol=1e-5)
    np.testing.assert_allclose(array(high_pass_filter(high, 2)), high, atol=1e-5)
    np.testing.assert_allclose(low.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(array(low_pass_filter(images, 100)), images, atol=1e-5)
    # A wave of three periods is high at radius 3, and low above.
    wave = np.cos(2 * np.pi * 3 * np.arange(16) / 16).reshape(1, 1, 16, 1) * np.ones((1, 16, 1, 1))
    np.testing.assert_allclose(array(high_pass_filter(wave, 3)), wave, atol=1e-5)
    np.testing.assert_allclose(array(high_pass_filter(wave, 3.1)), 0, atol=1e-5)


def test_fooling_rate():
    assert fooling_rate(["a", "b"], ["a", "a"]) == 0.5
    assert fooling_rate([[0.1, 0.9], [0.6, 0.4]], [[0.9, 0.1], [0.7, 0.3]]) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": None}, "Received: encoder=None"),
        ({"epsilon": -0.1}, "Received: epsilon=-0.1"),
        ({"epsilon": np.nan}, "Received: epsilon=nan"),
        ({"generator": 3}, "Received: generator=3"),
        ({"loss": "other"}, "Received: loss='other'"),
        ({"high_pass_weight": -1}, "Received: high_pass_weight=-1"),
        ({"norm_weight": np.nan}, "Received: norm_weight=nan"),
        ({"radius": 0}, "Received: radius=0"),
        ({"temperature": np.inf}, "Received: temperature=inf"),
        ({"learning_rate": 0}, "Received: learning_rate=0"),
        ({"value_range": None}, "Received: value_range=None"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"patch_share": 0}, "Received: patch_share=0"),
        ({"patch_share": 1.5}, "Received: patch_share=1.5"),
        ({"patch_share": np.nan}, "Received: patch_share=nan"),
        ({"patch_place": (0, 0)}, "patch_share=None"),
        ({"patch_share": 0.1, "patch_place": (0, 0, 1)}, "Received: patch_place="),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        AdvEncoder(**{"encoder": encoder(), **options})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a.fit(IMAGES * 255), "Received: images from"),
        (lambda a: a.fit(IMAGES.astype("uint8")), "Received: images of type uint8"),
        (lambda a: a.fit(IMAGES[:1]), "Received: images of type"),
        (lambda a: a.fit(np.full_like(IMAGES, np.nan)), "Received: images from nan"),
        (lambda a: a.fit(IMAGES, epochs=0), "Received: epochs=0"),
        (lambda a: a.fit(IMAGES, batch_size=1), "Received: batch_size=1"),
        (lambda a: UniversalPerturbation(np.ones((2, 2, 1)), 0.5), "Received: delta=1"),
        (lambda a: UniversalPerturbation(np.ones((2, 2)), 2), "Received: delta=1"),
        (lambda a: UniversalPerturbation(np.zeros((2, 2, 1)), 1)(IMAGES), "Received: images of type"),
        (lambda a: UniversalPatch(np.ones((2, 2)), 0, 0), "Received: patch of shape"),
        (lambda a: UniversalPatch(np.full((2, 2, 1), 2.0), 0, 0), "Received: patch of shape"),
        (lambda a: UniversalPatch(np.full((2, 2, 1), np.nan), 0, 0), "Received: patch of shape"),
        (lambda a: UniversalPatch(np.ones((2, 2, 1)), -1, 0), "Received: row=-1"),
        (lambda a: UniversalPatch(np.ones((2, 2, 1)), 0, 0)(IMAGES), "Received: images of type"),
        (lambda a: UniversalPatch(np.ones((2, 2, 2)), 5, 0)(IMAGES), "Received: images of type"),
        (lambda a: AdvEncoder(encoder(), patch_share=0.5, patch_place=(4, 4)).fit(IMAGES), "Received: patch_place="),
        (lambda a: fooling_rate([0, 1], [0]), "Received: clean.shape="),
        (lambda a: fooling_rate([], []), "Received: clean.shape="),
        (lambda a: high_pass_filter(IMAGES[0]), "Received: images.shape="),
        (lambda a: low_pass_filter(IMAGES, 0), "Received: radius=0"),
    ],
)
def test_refuses_others(call, message):
    with pytest.raises(ValueError, match=message):
        call(AdvEncoder(encoder()))


def test_refuses_a_generator_of_another_size():
    wrong = keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(72)])
    with pytest.raises(ValueError, match="Received: generator with output"):
        AdvEncoder(encoder(), generator=wrong).fit(IMAGES)

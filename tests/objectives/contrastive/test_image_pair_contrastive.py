"""What ImagePairContrastive computes, against a slow reference, CLIP and closed forms."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, slow_info_nce, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, cheap_views, encoder

Z = {"z1": draws(5, 6), "z2": draws(5, 6) + 0.5 * draws(5, 6, seed=1)}


def make(**options):
    return keras_ssl.ImagePairContrastive(encoder(), projector=(6,), views=cheap_views(), **options)


@pytest.mark.parametrize("learned", [True, False])
def test_equals_the_clip_loss(learned):
    loss, logs = make(temperature=0.3, learn_temperature=learned).objective(Z, Step.at(1))
    expected = (slow_info_nce(Z["z1"], Z["z2"], 0.3) + slow_info_nce(Z["z2"], Z["z1"], 0.3)) / 2
    assert value(loss) == pytest.approx(expected, rel=1e-5)
    assert value(logs["temperature"]) == pytest.approx(0.3, rel=1e-5)


def test_orthonormal_pairs_have_a_closed_form():
    z = np.eye(6, dtype="float32")
    loss, _ = make(temperature=0.5).objective({"z1": z, "z2": z}, Step.at(1))
    assert value(loss) == pytest.approx(np.log1p(5 * np.exp(-2.0)), rel=1e-5)


def test_rows_of_one_group_are_not_negatives():
    model = make(temperature=0.3)
    same = value(model.objective({**Z, "group": np.array([1, 1, 1, 1, 1], "int32")}, Step.at(1))[0])
    apart = value(model.objective({**Z, "group": np.array([1, 2, 3, 4, 5], "int32")}, Step.at(1))[0])
    assert same == pytest.approx(0.0, abs=1e-6) and apart == pytest.approx(
        value(model.objective(Z, Step.at(1))[0]), rel=1e-6
    )
    # Two rows of one identity: each is left out among the other's candidates.
    shared = value(model.objective({**Z, "group": np.array([1, 1, 3, 4, 5], "int32")}, Step.at(1))[0])
    assert 0.0 < shared < apart


def test_label_smoothing_reaches_the_loss():
    assert value(make(label_smoothing=0.1).objective(Z, Step.at(1))[0]) > value(make().objective(Z, Step.at(1))[0])


def test_takes_ready_made_pairs_and_groups_and_learns_its_temperature():
    model = OBJECTIVES["image_pair_contrastive"]()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    first, second = np.random.RandomState(0).randint(0, 256, (2, 8, 16, 16, 3)).astype("uint8")
    arrays = {"x": (first, second), "group": np.array([0, 0, 1, 1, 2, 2, 3, 3])}
    history = model.fit(arrays, batch_size=8, epochs=2, verbose=0).history
    assert history["temperature"][0] == pytest.approx(0.07, rel=1e-4)
    assert history["temperature"][1] != pytest.approx(0.07, rel=1e-4)
    fixed = make(learn_temperature=False)
    assert len(fixed.trainable_weights) == len(model.trainable_weights) - 1


@pytest.mark.long
def test_learns_identities_from_pairs_of_images():
    rng = np.random.RandomState(0)
    players = np.repeat(np.arange(12), 8)  # each of a color of their own, noisily
    x = rng.randint(40, 216, (12, 1, 1, 3))[players] + rng.randint(-30, 31, (96, 8, 8, 3))
    pairs = keras_ssl.data.identity_pairs(x.astype("uint8"), players, batch_size=6)
    model = make(temperature=0.2)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    losses = model.fit(pairs, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * np.log(6)


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"label_smoothing": 1.0}, {"temperature": 0.001}, {"label_smoothing": -0.1}]
)
def test_errors(options):
    ((name, bad),) = options.items()
    with pytest.raises(ValueError, match=f"Received: {name}={bad}"):
        make(**options)

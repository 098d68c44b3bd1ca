"""The report on universal attacks: what each defense does, by itself, and that none touches the encoder."""

import keras
import numpy as np
import pytest

from keras_ssl.evaluation import RobustnessRow, robustness_report
from keras_ssl.evaluation.robustness_report import DEFENSES, pruned_kernel

RNG = np.random.default_rng(0)


def images(count=80, seed=0):
    """Gray images of two classes, that a bright left or right half tells apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    x = rng.uniform(0.3, 0.5, size=(count, 6, 6, 1))
    x[labels == 0, :, :3] += 0.15
    x[labels == 1, :, 3:] += 0.15
    return x.astype("float32"), np.array(["left", "right"])[labels]


def encoder():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((6, 6, 1)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(8)])


def test_rows_are_of_each_attack_and_defense_and_the_model_stays():
    model = encoder()
    before = [weight.copy() for weight in model.get_weights()]
    options = {"epsilon": 0.2, "patch_share": 0.2, "attack_epochs": 2, "epochs": 2, "learning_rate": 0.01}
    rows = robustness_report(model, *images(), *images(40, 1), defenses=DEFENSES, **options)
    assert [row[:2] for row in rows] == [(a, d) for a in ("noise", "perturbation", "patch") for d in DEFENSES]
    for row in rows:
        assert isinstance(row, RobustnessRow)
        assert all(0.0 <= value <= 1.0 for value in row[2:])
        # A prediction that was right and is no more was changed, and the other way round.
        assert abs(row.clean - row.attacked) <= row.fooled + 1e-9
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert rows == robustness_report(model, *images(), *images(40, 1), defenses=DEFENSES, **options)


def test_no_attack_changes_nothing_and_defenses_of_strength_zero_are_none():
    options = {"attacks": ["perturbation"], "defenses": ["none", "corruption", "pruning"]}
    rows = robustness_report(encoder(), *images(), *images(40, 1), epsilon=0, noise=0, pruned_share=0, **options)
    assert all(row.fooled == 0 and row.clean == row.attacked for row in rows)
    assert len({row[2:] for row in rows}) == 1 and rows[0].clean == 1.0


def test_uint8_is_the_same_as_floats():
    x, y = images()
    pixels = np.round(x * 255).astype("uint8")
    options = {"attacks": ["noise"], "epsilon": 0.1}
    found, expected = (
        robustness_report(encoder(), part, y, part, y, **options) for part in (pixels, (pixels / 255).astype("float32"))
    )
    assert found == expected


def test_adversarial_training_helps_against_the_perturbation_it_was_not_shown():
    """One pixel always tells the classes apart, by less than epsilon; another less often, by much more.

    The attack moves the first by epsilon: a classifier that counts on it is lost, and one that was trained on moved
    images counts on the other.
    """
    rng = np.random.default_rng(3)
    y = np.arange(400) % 2
    x = np.full((400, 2, 1, 1), 0.5)
    x[:, 0, 0, 0] += np.where(y, 0.05, -0.05)
    right = rng.uniform(size=400) < 0.9
    x[:, 1, 0, 0] += np.where(y == right, 0.2, -0.2)
    scale = keras.layers.Rescaling(20.0, offset=-10.0)
    model = keras.Sequential([keras.layers.Input((2, 1, 1)), scale, keras.layers.Flatten()])
    options = {"attacks": ["perturbation"], "defenses": ["fine_tuning", "adversarial_training"], "epsilon": 0.15}
    options |= {"attack_options": {"loss": "distance"}, "epochs": 30, "learning_rate": 0.5, "batch_size": 100}
    plain, trained = robustness_report(model, x, y, x, y, **options)
    assert plain.clean == 1.0 and plain.fooled > 0.3
    assert trained.fooled < 0.5 * plain.fooled and trained.attacked > plain.attacked + 0.1


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.99])
def test_pruning_takes_the_smallest_entries(share):
    kernel = RNG.normal(size=(3, 4, 5)).astype("float32")
    found = pruned_kernel(kernel, share)
    gone = found == 0
    assert gone.sum() == int(share * 60)
    np.testing.assert_array_equal(found[~gone], kernel[~gone])
    assert not gone.any() or np.abs(kernel[gone]).max() <= np.abs(kernel[~gone]).min()
    bias = RNG.normal(size=7)
    np.testing.assert_array_equal(pruned_kernel(bias, 0.9), bias)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attacks": []}, "Received: attacks="),
        ({"attacks": "patch"}, "Received: attacks='patch'"),
        ({"attacks": ["other"]}, "Received: attacks="),
        ({"defenses": ["other"]}, "Received: defenses="),
        ({"epsilon": -1}, "Received: epsilon=-1"),
        ({"epsilon": np.nan}, "Received: epsilon=nan"),
        ({"noise": -0.1}, "Received: noise=-0.1"),
        ({"noise": np.nan}, "Received: noise=nan"),
        ({"pruned_share": 1.5}, "Received: pruned_share=1.5"),
        ({"pruned_share": np.nan}, "Received: pruned_share=nan"),
        ({"patch_share": 2, "attacks": ["patch"]}, "Received: patch_share=2"),
        ({"epochs": 0}, "Received: epochs=0"),
        ({"attack_epochs": 0, "attacks": ["patch"]}, "Received: epochs=0"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"learning_rate": 0.0, "defenses": ["fine_tuning"]}, "Received: learning_rate=0.0"),
        ({"learning_rate": np.nan, "defenses": ["fine_tuning"]}, "Received: learning_rate=nan"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"train_images": np.ones((80, 6, 6, 1)) * 2}, "Received: train_images of type"),
        ({"train_images": np.ones((80, 6, 6, 1), "int32")}, "Received: train_images of type"),
        ({"train_images": np.ones((80, 6))}, "Received: train_images.shape"),
        ({"test_images": np.full((40, 6, 6, 1), np.nan)}, "test_images"),
        ({"surrogate": np.ones((1, 6, 6, 1)), "attacks": ["patch"]}, "Received: images of type"),
    ],
)
def test_refuses(change, message):
    x, y = images()
    z, t = images(40, 1)
    arguments = {"train_images": x, "train_labels": y, "test_images": z, "test_labels": t, "attacks": ["noise"]}
    with pytest.raises(ValueError, match=message):
        robustness_report(encoder(), **{**arguments, **change})

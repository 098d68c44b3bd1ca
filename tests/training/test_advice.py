"""`fit` says where an argument does not suit the run at hand, and says nothing of recipes."""

import warnings

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.layers import Plan
from keras_ssl.training import advice
from tests.objectives.tiny import OBJECTIVES

SMALL = Plan(samples=64, batch_size=32, updates=10)
LARGE = Plan(samples=1_281_167, batch_size=256, updates=500_000)


def of_vectors(objective, **options):
    encoder = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8, name="dense")])
    return objective(encoder, **{"projector": (8, 6), **options})


def test_a_queue_that_is_never_full():
    (text,) = of_vectors(keras_ssl.MoCo, queue_size=1024, momentum=0.5).advice(SMALL)
    assert "`queue_size=1024`" in text and "320 embeddings" in text and text.endswith("`queue_size=32` would suit.")
    suits = of_vectors(keras_ssl.MoCo, queue_size=32, momentum=0.5)
    assert suits.advice(SMALL) == []


def test_a_queue_larger_than_the_data():
    plan = Plan(samples=1000, batch_size=100, updates=10_000)
    (text,) = of_vectors(keras_ssl.NNCLR, predictor=(8, 6), queue_size=4000).advice(plan)
    assert "1000 samples" in text and text.endswith("`queue_size=500` would suit.")


def test_a_teacher_too_slow_for_the_run():
    model = of_vectors(keras_ssl.MoCo, queue_size=32)
    (text,) = model.advice(SMALL)
    assert "`momentum=0.999`" in text and "1000 updates behind" in text and "the run has 10," in text
    assert text.endswith("`momentum=0.9` would suit.")
    assert of_vectors(keras_ssl.MoCo, queue_size=32, momentum=0.9).advice(SMALL) == []
    assert model.advice(Plan(64, 32, 5000)) == []
    assert of_vectors(keras_ssl.RandomTeacherDistillation).advice(SMALL) == []


def test_steps_that_outlast_the_run():
    texts = of_vectors(keras_ssl.SwAV, freeze_steps=10, queue_size=32, queue_start=11).advice(SMALL)
    assert [text.split(":")[0] for text in texts] == ["`freeze_steps=10`", "`queue_start=11`"]
    (text,) = of_vectors(keras_ssl.DINO, out_dim=8, freeze_steps=9, warmup_steps=20, momentum=0.5).advice(SMALL)
    assert text.startswith("`warmup_steps=20`: the run ends after 10 updates")


def test_more_clusters_than_samples():
    model = of_vectors(keras_ssl.InterCLR, dataset_size=64, queue_size=32, momentum=0.5, negatives=4)
    (text,) = model.advice(SMALL)
    assert text.startswith("`clusters=10000`") and text.endswith("`clusters=2` would suit.")


def test_a_head_too_wide_for_a_cpu(monkeypatch):
    plan = Plan(samples=6000, batch_size=256, updates=1000)
    monkeypatch.setattr(advice, "on_cpu", lambda: True)
    wide = of_vectors(keras_ssl.BarlowTwins, projector=(8192, 8192))
    (text,) = wide.advice(plan)
    assert "`projector` has 67 million weights" in text and text.endswith("`projector=(2048, 2048)` would suit.")
    assert of_vectors(keras_ssl.BarlowTwins, projector=(2048, 2048)).advice(plan) == []
    monkeypatch.setattr(advice, "on_cpu", lambda: False)
    assert wide.advice(plan) == []


def test_what_is_unknown_is_not_judged():
    model = of_vectors(keras_ssl.MoCo, queue_size=1024)
    assert model.advice(Plan()) == []


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_run_of_imagenet_needs_no_advice_on_small_heads(name):
    assert OBJECTIVES[name]().advice(LARGE) == []


@pytest.mark.parametrize("name", keras_ssl.hub.list_recipes())
def test_no_recipe_gets_advice(name, monkeypatch):
    """By what it says of objective and training, on a small encoder: networks of 224 pixels take long to make."""
    sections = keras_ssl.Recipe.read(name).sections
    samples = {"digits": 6000, "cifar10": 50_000}.get(name.rsplit("_", 1)[1], 1_281_167)
    batch_size, epochs = sections["training"]["batch_size"], sections["training"]["epochs"]
    monkeypatch.setattr(advice, "on_cpu", lambda: name.endswith("_digits"))
    options = {key: value for key, value in sections["objective"].items() if key not in ("name", "projector")}
    encoder = keras.Sequential([keras.layers.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()])
    if "predictor" in options:
        options["predictor"] = tuple(min(width, 32) for width in options["predictor"])
    try:
        model = getattr(keras_ssl, sections["objective"]["name"])(encoder, **options, projector=_narrow(sections))
    except ValueError as error:
        pytest.skip(str(error))
    assert model.advice(Plan(samples, batch_size, epochs * (samples // batch_size))) == []


def _narrow(sections):
    return tuple(min(width, 32) for width in sections["objective"].get("projector", (64, 32)))


class TestFit:
    IMAGES = np.random.default_rng(0).normal(size=(2, 16, 4)).astype("float32")

    def fit(self, model, **options):
        model.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            model.fit(tuple(self.IMAGES), batch_size=8, verbose=0, **options)
        return [(str(one.message), one.filename) for one in caught if "would suit" in str(one.message)]

    def test_warns_once_for_each_argument(self):
        found = self.fit(of_vectors(keras_ssl.MoCo, queue_size=1024))
        assert [text.split("`")[1].split("=")[0] for text, _ in found] == ["momentum", "queue_size"]
        assert all(text.startswith("MoCo: ") and place == __file__ for text, place in found)

    def test_says_nothing_where_all_suits(self):
        assert self.fit(of_vectors(keras_ssl.MoCo, queue_size=8, momentum=0.5), epochs=2) == []

"""`Method.for_data`: every method that needs images alone is built at the size at hand, and learns."""

import inspect

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.evaluation import extract_features, knn_accuracy
from keras_ssl.registry import entries, find
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_vit
from keras_ssl.training import DataScale, engine
from keras_ssl.workflows.choices import check_method
from keras_ssl.workflows.scaled_settings import own_views, scaled_settings

IMAGES = np.random.RandomState(0).randint(0, 256, (64, 16, 16, 3), "uint8")


def needs_images_alone(entry):
    try:
        check_method(entry.target, {})
    except ValueError:
        return False
    return True


METHODS = [entry.name for entry in entries("objective") if needs_images_alone(entry)]


def made(name, images=IMAGES, **options):
    entry = find("objective", name)
    encoder = tiny_vit() if entry.family == "masked" or entry.target.needs_tokens else tiny_encoder()
    return entry.target.for_data(encoder, images, **options)


def test_most_methods_need_images_alone():
    assert {"BarlowTwins", "BYOL", "DINO", "InterCLR", "MAE", "SimCLR", "SwAV", "VICReg"} <= set(METHODS)
    assert not {"SupCon", "FixMatch", "SimilarityDistillation", "TabularJEPA"} & set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_built_and_compiled(name):
    model = made(name, epochs=3)
    assert model.fit_arguments == {"batch_size": 16, "epochs": 3}
    schedule = model.optimizer._learning_rate
    assert schedule.total_steps == 12
    # Heads are small: no layer but the encoder's has more than a few times the features.
    own = {id(weight) for weight in model.encoder.weights}
    assert sum(np.prod(w.shape) for w in model.trainable_weights if id(w) not in own) < 300_000


@pytest.mark.parametrize("name", METHODS)
def test_the_papers_values_stay_at_the_papers_size(name):
    large = DataScale(2_000_000, 224, 3, 2048, 4096, 2_000_000)
    kind = find("objective", name).target
    assert set(scaled_settings(kind, large)) <= {"dataset_size", *kind.chosen_arguments}


def test_settings_are_arguments_of_the_method():
    small = DataScale(300, 16, 3, 64, 64, 800)
    for name in METHODS:
        kind = find("objective", name).target
        settings = scaled_settings(kind, small)
        known = keras_ssl.hub.signatures.known_arguments(kind, stop="keras.")
        assert set(settings) <= set(known), name


@pytest.mark.parametrize("name", ["SimCLR", "BYOL", "MoCHi", "SwAV", "MAE", "InterCLR"])
def test_the_loss_of_a_batch_is_finite(name):
    model = made(name, batch_size=8, epochs=2)
    batch, step = engine.prepare(model, {"x": IMAGES[:8], "index": np.arange(8)}, training=True, check=False)
    loss = engine.reduce(model, engine.embed(model, batch, step), step).loss
    assert np.isfinite(float(loss))


def test_what_the_user_says_comes_first():
    model = made("MoCo", projector=(32, 16), queue_size=48, momentum=0.5, batch_size=8, views=keras_ssl.views.simclr())
    config = model.get_config()
    assert config["projector"] == [32, 16] and config["queue_size"] == 48 and config["momentum"] == 0.5
    assert model.views == keras_ssl.views.simclr() and model.fit_arguments["batch_size"] == 8
    assert made("MoCo", version=3).get_config()["queue_size"] == 0


def test_views_are_the_methods_own_at_the_images_size():
    assert made("BarlowTwins").views == keras_ssl.views.barlow_twins(size=16, min_scale=0.5, blur=False)
    assert own_views(224, 3) == {"size": 224, "min_scale": 0.005, "blur": True}
    gray = np.repeat(IMAGES[..., :1], 5, axis=-1)
    images = keras.Input((None, None, 5))
    encoder = keras.Model(images, keras.layers.GlobalAveragePooling2D()(images))
    model = keras_ssl.SimCLR.for_data(encoder, gray)
    assert model.views == keras_ssl.views.simclr(size=16, min_scale=0.5, blur=False, color=False)


def test_a_transformer_gets_adamw_and_a_data_set_its_own_batch():
    assert isinstance(made("MAE").optimizer, keras.optimizers.AdamW)
    assert type(made("SimCLR").optimizer) is keras.optimizers.Adam
    model = made("SimCLR", keras_ssl.data.from_arrays(IMAGES, batch_size=10))
    assert set(model.fit_arguments) == {"epochs"}
    model.fit(keras_ssl.data.from_arrays(IMAGES, batch_size=10), epochs=1, verbose=0)
    assert int(model.updates) == 6


@pytest.mark.parametrize(
    ("name", "data", "options", "message"),
    [
        ("SupCon", IMAGES, {}, "`method` must need images alone.* Received: method='SupCon', which needs y"),
        ("FixMatch", IMAGES, {}, "which needs classes"),
        ("TabularJEPA", IMAGES, {}, "which is for table"),
        ("SimCLR", IMAGES[:9], {}, "at least 16 images. Received: data with 9 images"),
        ("SimCLR", IMAGES, {"batch_size": 65}, "batch_size=65"),
        ("SimCLR", IMAGES, {"epochs": 0}, "epochs=0"),
        ("SimCLR", [1, 2], {}, "data of type list"),
    ],
)
def test_refuses(name, data, options, message):
    with pytest.raises(ValueError, match=message):
        find("objective", name).target.for_data(tiny_encoder(), data, **options)


def has_predictor(name):
    arguments = inspect.signature(find("objective", name).target).parameters
    return "projector" in arguments and isinstance(getattr(arguments.get("predictor"), "default", None), tuple)


@pytest.mark.parametrize("name", [name for name in METHODS if has_predictor(name)])
def test_projector_and_predictor_end_alike_where_one_is_given(name):
    config = made(name, projector=(24, 20, 12)).get_config()
    assert config["projector"] == [24, 20, 12] and config["predictor"][-1] == 12
    config = made(name, predictor=(24, 20)).get_config()
    assert config["predictor"] == [24, 20] and config["projector"][-1] == 20


def test_what_a_method_needs_besides_may_be_given():
    kind = find("objective", "SimilarityDistillation").target
    model = kind.for_data(tiny_encoder(), IMAGES, teacher="barlow_digits")
    assert model.get_config()["queue_size"] == 32


@pytest.mark.long
@pytest.mark.once  # JAX takes convolutions five times as long on a CPU
@pytest.mark.parametrize("name", ["SimCLR", "DCLW"])
def test_learns_digits(name):
    """After 400 updates neighbors in features are of the same digit more often than before."""
    x, y = keras_ssl.data.colored_digits("train", count=3000)
    x_test, y_test = keras_ssl.data.colored_digits("test", count=1000)
    keras.utils.set_random_seed(0)
    model = find("objective", name).target.for_data(keras_ssl.encoders.ConvNet(), x, batch_size=128, epochs=17)

    def accuracy():
        return knn_accuracy(extract_features(model, x), y, extract_features(model, x_test), y_test)

    before = accuracy()
    model.fit(x, **model.fit_arguments, verbose=0)
    assert accuracy() > before + 0.05

"""A run's event files, read back by TensorBoard's reader and held to what they must show."""

import io
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics.pairwise import cosine_similarity
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.util.tensor_util import make_ndarray

import keras_ssl
from keras_ssl.callbacks import TensorBoard
from keras_ssl.callbacks.tensorboard import flat_settings
from keras_ssl.training import Step
from tests.objectives.tiny import cheap_views

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(24) % 3
HPARAMS = {"optimizer": {"name": "AdamW", "learning_rate": 0.1}, "seed": 3, "views": {"blur": False, "ops": [1, 2]}}
RATES = keras.optimizers.schedules.PolynomialDecay(0.1, decay_steps=9, end_learning_rate=0.01)
BIG = 10**6


def make_model(**options):
    random.seed(0)  # of the initial weights
    layers = [keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(6)]
    encoder = keras.Sequential([*layers, keras.layers.BatchNormalization()])
    model = keras_ssl.SimCLR(encoder, projector=(8, 4), temperature=0.3, views=cheap_views())
    model.compile(keras.optimizers.AdamW(RATES, weight_decay=0.02), **options)
    return model


def fit(model, callbacks, **options):
    settings = {"batch_size": 8, "epochs": 3, "verbose": 0, **options}
    return model.fit(IMAGES, callbacks=callbacks, **settings).history


class EveryStep(keras.callbacks.Callback):
    """The scalars of each step by themselves."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))


def read(folder):
    """Every value in the folder's event files, by tag: a list of pairs of step and value."""
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": BIG}).Reload()
    tags = accumulator.Tags()["tensors"]
    return {tag: [(event.step, make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)] for tag in tags}


def decoded(value):
    width, height, png = value
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    assert pixels.shape == (int(height), int(width), 3)
    return pixels


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three epochs of three steps, watched: folder, model, history and the values read back."""
    folder = tmp_path_factory.mktemp("run")
    model = make_model()
    board = TensorBoard(folder, IMAGES, LABELS, HPARAMS, update_freq=2, every=2, batch_size=16)
    history = fit(model, [keras_ssl.callbacks.Throughput(8), board], validation_data=IMAGES[:8])
    return folder, model, history, read(folder)


@pytest.fixture(scope="module")
def unwatched():
    """The same without the callback: model and the scalars of every step."""
    model, steps = make_model(), EveryStep()
    fit(model, [steps])
    return model, steps.logs


@pytest.mark.slow
def test_curves_are_the_history(run):
    _, _, history, values = run
    assert {"loss", "embedding_std", "gradient_norm", "images_per_second", "val_loss"} <= set(history)
    for name, expected in history.items():
        tag = f"validation/{name[4:]}" if name.startswith("val_") else f"epoch/{name}"
        assert values[tag] == [(epoch, np.float32(value)) for epoch, value in enumerate(expected, start=1)]


@pytest.mark.slow
def test_settings_follow_the_run(run):
    values = run[3]
    rates = [0.1 - 0.01 * steps for steps in (3, 6, 9)]
    assert [float(value) for _, value in values["epoch/learning_rate"]] == pytest.approx(rates, rel=1e-5)
    assert values["epoch/weight_decay"] == [(epoch, np.float32(0.02)) for epoch in (1, 2, 3)]
    assert values["epoch/temperature"] == [(epoch, np.float32(0.3)) for epoch in (1, 2, 3)]
    assert [float(value) for _, value in values["step/learning_rate"]] == pytest.approx([0.08, 0.06, 0.04, 0.02])


@pytest.mark.slow
def test_points_within_epochs_are_means_since_the_last_point(run, unwatched):
    """Every second step, across the ends of epochs of three steps."""
    values = run[3]
    logs = unwatched[1]
    assert len(logs) == 9
    for name in ("loss", "embedding_std", "gradient_norm"):
        steps, means = zip(*values[f"step/{name}"], strict=True)
        assert steps == (2, 4, 6, 8)
        expected = [(float(logs[step - 2][name]) + float(logs[step - 1][name])) / 2 for step in steps]
        np.testing.assert_allclose(means, expected, rtol=1e-5)


def test_training_is_bitwise_the_same(run, unwatched):
    model, plain = run[1], unwatched[0]
    for ours, theirs in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))
    for ours, theirs in zip(model.optimizer.variables, plain.optimizer.variables, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))


@pytest.mark.slow
def test_the_grid_shows_the_views_that_a_step_trains_on(tmp_path):
    """The first step's batch are the first eight images: the encoder's inputs in it, turned back into pixels."""
    made = []

    class Remembers(keras_ssl.SimCLR):
        def make_views(self, batch, step):
            made.append([numbers(view) for view in super().make_views(batch, step)])
            return super().make_views(batch, step)

    encoder = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    model = Remembers(encoder, projector=(4,), views=cheap_views())
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    board = TensorBoard(tmp_path, IMAGES)
    model.fit(IMAGES[:8], batch_size=8, shuffle=False, verbose=0, callbacks=[board])
    (start, grid), (end, _) = read(tmp_path)["views"]
    assert (start, end) == (0, 1)

    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    of_the_step = [np.rint(np.clip(view * std + mean, 0, 1) * 255) for view in made[1]]
    tiles = decoded(grid)[4:, 4:][: 8 * 68].reshape(8, 68, -1, 3)[:, :64:8]  # a row of pixels for each of the images'
    for left, column in zip((0, 80, 148), (IMAGES[:8], *of_the_step), strict=True):
        np.testing.assert_array_equal(tiles[:, :, left : left + 64 : 8], column)
    assert not np.array_equal(of_the_step[0], of_the_step[1])


def test_grids_at_the_start_and_every_second_epoch_and_the_last(run):
    values = run[3]
    assert [step for step, _ in values["views"]] == [0, 2, 3]
    grids = [decoded(value) for _, value in values["views"]]
    assert len({grid.tobytes() for grid in grids}) == 3  # each step makes other views
    for tag in ("similarity/positive_pairs", "similarity/negative_pairs", "spectrum/log10_singular_values"):
        assert [step for step, _ in values[tag]] == [2, 3]


def test_similarities_of_the_views_features(run):
    _, model, _, values = run
    step = Step.at(24, seed=model.seed, index=int(model.step))
    first, second = (numbers(model.encoder(view, training=False)) for view in model.make_views({"x": IMAGES}, step))
    similarities = np.clip(cosine_similarity(first, second), -1, 1)  # views that are alike: 1, and more by rounding
    pairs = {"positive": np.diag(similarities), "negative": similarities[~np.eye(24, dtype=bool)]}
    for kind, expected in pairs.items():
        lefts, rights, heights = values[f"similarity/{kind}_pairs"][-1][1].T
        np.testing.assert_allclose(lefts, np.linspace(-1, 1, 31)[:-1], atol=1e-12)
        np.testing.assert_allclose(rights, np.linspace(-1, 1, 31)[1:], atol=1e-12)
        shares = np.histogram(expected, 30, (-1, 1))[0] / len(expected)
        np.testing.assert_allclose(heights, shares, atol=1.01 / len(expected))  # one may stand on an edge
        assert heights.sum() == pytest.approx(1.0)


def test_spectrum_of_the_features(run):
    _, model, _, values = run
    features = model.predict(IMAGES, verbose=0).astype("float64")
    expected = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    lefts, rights, heights = values["spectrum/log10_singular_values"][-1][1].T
    assert lefts.tolist() == list(range(6)) and rights.tolist() == list(range(1, 7))
    np.testing.assert_allclose(heights, 6 + np.log10(expected / expected[0]), atol=1e-4)


def test_projector_holds_the_features(run):
    folder, model, _, _ = run
    assert "projector/features.tsv" in (folder / "projector_config.pbtxt").read_text()
    features = np.loadtxt(folder / "projector" / "features.tsv", delimiter="\t")
    np.testing.assert_allclose(features, model.predict(IMAGES, verbose=0), rtol=1e-4, atol=1e-5)
    assert (folder / "projector" / "labels.tsv").read_text().splitlines()[1:4] == ["0\t0", "1\t1", "2\t2"]


def test_settings_of_the_recipe(run):
    content = EventAccumulator(str(run[0])).Reload().summary_metadata[metadata.SESSION_START_INFO_TAG]
    found = metadata.parse_session_start_info_plugin_data(content.plugin_data.content).hparams
    kinds = {name: getattr(value, value.WhichOneof("kind")) for name, value in found.items()}
    expected = {"optimizer.name": "AdamW", "optimizer.learning_rate": 0.1, "seed": 3.0}
    assert kinds == {**expected, "views.blur": False, "views.ops": "[1, 2]"}
    assert metadata.SESSION_END_INFO_TAG in run[3]


def test_flat_settings():
    nested = {"a": {"b": {"c": None}}, "d": np.float32(0.5), "e": np.bool_(True), "f": "x"}
    assert flat_settings(nested) == {"a.b.c": "None", "d": 0.5, "e": True, "f": "x"}


def drive(board, model, epochs, steps=3, start=0):
    """What `fit` calls, without the training, which takes longer to compile."""
    board.set_model(model)
    board.on_train_begin()
    for epoch in range(start, epochs):
        board.on_epoch_begin(epoch)
        for step in range(steps):
            board.on_train_batch_end(step, {"loss": 1.0})
        board.on_epoch_end(epoch, {"loss": 1.0})
    board.on_train_end()


def test_without_images_there_are_only_curves(tmp_path):
    drive(TensorBoard(tmp_path), make_model(), epochs=2)
    assert set(read(tmp_path)) == {f"epoch/{name}" for name in ("loss", "learning_rate", "weight_decay", "temperature")}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_resumed_run_goes_on_where_it_was(tmp_path):
    model = make_model()
    for start in (0, 2):
        model.step.assign(3 * start)
        drive(TensorBoard(tmp_path, IMAGES, every=BIG, update_freq=6), model, epochs=start + 2, start=start)
    values = read(tmp_path)
    assert [step for step, _ in values["epoch/loss"]] == [1, 2, 3, 4]
    assert [step for step, _ in values["step/loss"]] == [6, 12]
    assert [step for step, _ in values["views"]] == [0, 2, 2, 4]


@pytest.mark.slow
def test_a_run_that_stops_early_has_its_last_pictures(tmp_path):
    drive(TensorBoard(tmp_path, IMAGES, every=BIG), make_model(), epochs=1)
    assert [step for step, _ in read(tmp_path)["spectrum/log10_singular_values"]] == [1]


def test_any_keras_model(tmp_path):
    """Without views of its own a model has curves, spectrum and projector."""
    model = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    history = model.fit(IMAGES / 255, np.ones((24, 3)), verbose=0, callbacks=[TensorBoard(tmp_path, IMAGES / 255)])
    values = read(tmp_path)
    assert values["epoch/loss"] == [(1, np.float32(history.history["loss"][0]))]
    assert "spectrum/log10_singular_values" in values and "views" not in values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every` must be a positive integer. Received: every=0"),
        ({"batch_size": 1.5}, "`batch_size`.*Received: batch_size=1.5"),
        ({"update_freq": "batch"}, '`update_freq` must be a positive integer or "epoch". Received: update_freq='),
        ({"update_freq": True}, "`update_freq` must be a positive integer. Received: update_freq=True"),
        ({"images": np.zeros((1, 4, 4, 3))}, r"`images` must be 2 to 10000 images.*images.shape=\(1, 4, 4, 3\)"),
        ({"images": np.zeros((4, 4))}, r"Received: images.shape=\(4, 4\)"),
        ({"images": IMAGES, "labels": [1, 2]}, r"`labels`.*each of the 24 images. Received: labels.shape=\(2,\)"),
        ({"labels": [1, 2]}, "`labels` goes with `images`. Received: images=None"),
        ({"log_dir": "gs://runs"}, "Received: log_dir='gs://runs'"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        TensorBoard(**{"log_dir": tmp_path / "run", **arguments})
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow is imported anyway")
def test_jax_runs_without_tensorflow(tmp_path):
    program = f"""
import sys
from tests.callbacks.test_tensorboard import HPARAMS, IMAGES, LABELS, TensorBoard, fit, make_model
fit(make_model(), [TensorBoard({str(tmp_path)!r}, IMAGES, LABELS, HPARAMS, update_freq=1)], epochs=1)
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "views" in read(tmp_path)

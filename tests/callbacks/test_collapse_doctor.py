"""Every fault is planted, and named within 50 steps."""

import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.callbacks import CollapseDoctor, TrainingWarning

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
# Each compiles a step of its own, which takes long on JAX.
planted = pytest.mark.slow if ON_TENSORFLOW else pytest.mark.long
on_tensorflow = pytest.mark.skipif(not ON_TENSORFLOW, reason="the detectors are NumPy, the probe is tested on both")
COUNT = 64


@pytest.fixture(scope="module")
def digits():
    """Two views of the digits, made by noise, which costs nothing to compile; and the labels."""
    x, y = keras_ssl.data.colored_digits("train", count=COUNT, size=16)
    rng = np.random.default_rng(0)
    noisy = [np.clip(x + rng.normal(0, 20, x.shape), 0, 255).astype("uint8") for _ in range(2)]
    return *noisy, y


def encoder(width=16):
    return keras_ssl.encoders.ConvNet(widths=(8, width))


def train(model, x, y, epochs=10, optimizer=None, **options):
    """Trains by 5 steps an epoch at most 50 steps; gives the doctor and what was warned of."""
    model.compile(optimizer or keras.optimizers.Adam(1e-2), jit_compile=False)
    doctor = CollapseDoctor(x, y, **options)
    repeated = tuple(np.concatenate([view] * 5) for view in x) if isinstance(x, tuple) else np.concatenate([x] * 5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(
            {"x": repeated, "y": np.concatenate([y] * 5)},
            batch_size=len(y),
            epochs=epochs,
            verbose=0,
            callbacks=[doctor],
        )
    doctor.history = history.history
    return doctor, [str(entry.message) for entry in caught if entry.category is TrainingWarning]


def names(doctor):
    assert all(finding.step <= 50 and finding.evidence and finding.remedy for finding in doctor.findings)
    return [finding.name for finding in doctor.findings]


class WithoutStopGradient(keras_ssl.BYOL):
    """BYOL that has neither a predictor nor a teacher of its own."""

    def embed(self, batch, step):
        z1, z2 = self.project(self.used_views(batch, step), step.training)
        return {"z1": z1, "z2": z2, "p1": z1, "p2": z2, "t1": z1, "t2": z2}


class WithoutEvening(keras_ssl.SwAV):
    """SwAV whose codes are the nearest prototypes, however many images share one."""

    def _codes(self, number, scores):
        return keras.ops.stop_gradient(keras.ops.softmax(scores / 0.01, axis=1))


class WrongSign(keras_ssl.BarlowTwins):
    """Barlow Twins that rewards dimensions for repeating each other."""

    def objective(self, embeddings, step):
        _, logs = super().objective(embeddings, step)
        return logs["invariance"] - 0.1 * logs["redundancy"], logs


class OtherTemperature(keras_ssl.SimCLR):
    """SimCLR that computes with a temperature other than it says."""

    def objective(self, embeddings, step):
        return keras_ssl.losses.nt_xent_loss(embeddings["z1"], embeddings["z2"], 0.05), {}


@planted
def test_stop_gradient_and_predictor_removed(digits):
    v1, v2, y = digits
    model = WithoutStopGradient(encoder(), projector=(24, 12), predictor=(24, 12))
    doctor, _ = train(model, (v1, v2[::-1].copy()), y, optimizer=keras.optimizers.Adam(3e-2))
    finding = next(finding for finding in doctor.findings if finding.name == "complete collapse")
    assert finding.step <= 50 and finding.evidence["spread"] < 0.05


@on_tensorflow
@planted
def test_redundancy_of_the_wrong_sign(digits):
    v1, v2, y = digits
    doctor, _ = train(WrongSign(encoder(), projector=(64, 64)), (v1, v2), y)
    assert {"dimensional collapse", "loss below its theoretical floor"} <= set(names(doctor))


@on_tensorflow
@planted
@pytest.mark.long
def test_clusters_that_are_not_evened_out(digits):
    v1, v2, y = digits
    model = WithoutEvening(encoder(), projector=(24, 12), prototypes=20, freeze_steps=0)
    doctor, _ = train(model, (v1, v2[::-1].copy()), y, epochs=5, optimizer=keras.optimizers.Adam(2e-2))
    assert "cluster collapse" in names(doctor)


@on_tensorflow
@planted
def test_identity_teacher(digits):
    v1, v2, y = digits
    model = keras_ssl.BYOL(encoder(), projector=(24, 12), predictor=(24, 12), momentum=1.0)
    doctor, _ = train(model, (v1, v2), y, epochs=2)
    assert names(doctor) == ["constant teacher"]


@planted
def test_queue_that_is_never_filled(digits):
    v1, v2, y = digits
    model = keras_ssl.MoCo(encoder(), projector=(24, 12), queue_size=128, momentum=0.9, batch_norm=True)
    model.queue.enqueue = lambda *arguments: None
    doctor, warned = train(model, (v1, v2), y, epochs=3)
    assert names(doctor) == ["dead queue"] and doctor.findings[0].step == 10
    assert len(warned) == 1 and warned[0].startswith("dead queue at step 10 (memory queue, updates 10). See that")


@on_tensorflow
@planted
def test_temperature_other_than_stated(digits):
    v1, v2, y = digits
    doctor, _ = train(OtherTemperature(encoder(), projector=(24, 12), temperature=1.0), (v1, v2), y)
    assert names(doctor) == ["loss below its theoretical floor"]
    evidence = doctor.findings[0].evidence
    assert evidence["loss"] < evidence["floor"]


@on_tensorflow
@planted
def test_what_is_seen_before_the_first_step(digits):
    """A temperature far too high; equal views; a label drawn into the pixels; and all at once, in one warning each."""
    v1, _, y = digits
    stamped = v1.copy()
    stamped[:, 0, 0, 0] = 20 * y
    model = keras_ssl.SimCLR(encoder(), projector=(24, 12), temperature=50.0)
    doctor, warned = train(model, (stamped, stamped), y, epochs=1)
    assert names(doctor) == ["loss at its chance value", "views all alike", "labels leaking"]
    assert [finding.step for finding in doctor.findings] == [0, 0, 0] and len(warned) == 3
    assert doctor.findings[2].evidence["pixel"] == "(0, 0, 0)"
    assert doctor.history["findings"] == [3]


@on_tensorflow
@planted
def test_views_of_all_images_alike(digits):
    v1, _, y = digits
    x = np.minimum(v1[:1], 250) + np.arange(COUNT, dtype="uint8")[:, None, None, None] % 3
    doctor, _ = train(keras_ssl.SimCLR(encoder(), projector=(24, 12)), (x, x + 1), y, epochs=1)
    found = next(finding for finding in doctor.findings if finding.name == "views all alike")
    assert 0 < found.evidence["images differ by"] < 0.01


@on_tensorflow
@planted
def test_learning_rate_zero_stops_where_asked(digits):
    v1, v2, y = digits
    model = keras_ssl.SimCLR(encoder(), projector=(24, 12))
    doctor, _ = train(model, (v1, v2), y, optimizer=keras.optimizers.SGD(0.0), stop=True)
    assert names(doctor) == ["weights stand still"]
    assert len(doctor.history["loss"]) == 2  # of 10 epochs: 10 steps


@on_tensorflow
@planted
def test_dead_relu(digits):
    v1, v2, y = digits
    dead = keras.Sequential([keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(8, "relu")])
    dead.layers[-1].bias.assign(np.full(8, -1e3))
    doctor, _ = train(keras_ssl.SimCLR(dead, projector=(24, 12)), (v1, v2), y, epochs=1)
    assert "gradient vanished" in names(doctor)
    assert next(f for f in doctor.findings if f.name == "gradient vanished").evidence["tensors without"] == 1


@on_tensorflow
@planted
def test_loss_that_is_not_finite(digits):
    v1, v2, y = digits
    model = keras_ssl.SimCLR(encoder(), projector=(24, 12))
    model.projector.weights[0].assign(np.full(model.projector.weights[0].shape, np.nan))
    doctor, _ = train(model, (v1, v2), y, epochs=1)
    assert names(doctor) == ["loss not finite"]


@on_tensorflow
@planted
def test_loss_that_stays_at_chance():
    """Views that have nothing in common, and a learning rate at which they are not learned by heart."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).integers(0, 256, (2, 192, 16, 16, 3), dtype=np.uint8)
    flat = keras.Sequential([keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(64)])
    model = keras_ssl.SimCLR(flat, projector=(64,), temperature=1.0)
    optimizer = keras.optimizers.Adam(1e-6)
    doctor, _ = train(model, (x[0], x[1]), np.zeros(192, int), optimizer=optimizer, every=10, patience=30)
    assert names(doctor) == ["loss at its chance value"] and doctor.findings[0].step == 30


@pytest.mark.slow
def test_training_is_not_disturbed():
    """With views that are drawn, batch norm, a teacher and a queue."""
    x, y = keras_ssl.data.colored_digits("train", count=96, size=16)
    views = keras_ssl.views.MultiView([keras_ssl.views.RandomFlip(0.5)] * 2)
    weights, losses, doctors = [], [], []
    for every in (None, 2):
        keras.utils.set_random_seed(1)
        options = {"projector": (24, 12), "queue_size": 32, "momentum": 0.9, "batch_norm": True, "views": views}
        model = keras_ssl.MoCo(encoder(), **options)
        model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
        doctors.append(None if every is None else CollapseDoctor(x[:16], every=every))
        callbacks = [doctors[-1]] if every else []
        history = model.fit(x, batch_size=16, epochs=2, verbose=0, callbacks=callbacks).history
        weights.append([np.array(weight) for weight in model.get_weights()])
        losses.append(history["loss"])
    assert losses[0] == losses[1]
    for without, with_doctor in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_doctor)
    assert [updates for updates, _ in doctors[1]._past] == [0, 2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize(("ends", "looks"), [(range(120), [10, 25, 50, 100]), (range(2, 120, 3), [12, 27, 51, 102])])
def test_looks_at_ten_and_twenty_five_steps_and_then_every_fifty(ends, looks):
    """`ends` are the steps at whose end Keras calls, one in three where three are one execution; of two epochs."""
    doctor, seen = CollapseDoctor(np.zeros((2, 4, 4, 3))), []
    doctor._look = lambda: seen.append(doctor._steps)
    for epoch in (range(0, 60), range(60, 120)):
        doctor.on_epoch_begin(0)
        for end in ends:
            if end in epoch:
                doctor.on_train_batch_end(end - epoch[0])
    assert seen == looks


@pytest.mark.slow
def test_the_loss_to_expect_is_shown(digits, capsys):
    v1, v2, y = digits
    model = keras_ssl.SimCLR(encoder(), projector=(24, 12), temperature=0.5)
    model.compile("sgd", run_eagerly=ON_TENSORFLOW)
    model.fit((v1, v2), batch_size=32, epochs=1, verbose=1, callbacks=[CollapseDoctor((v1, v2))])
    said = capsys.readouterr().out
    assert f"SimCLR, the loss to expect: {model.expected_loss(32)} (model.expected_loss)." in said
    last = said.rsplit("\r", 1)[-1]
    for name, value in (("loss_at_chance", model.expected_loss().initial), ("loss_floor", model.expected_loss().floor)):
        assert f"{name}: {value:.4f}" in last
    assert "findings: 0" in last


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": np.zeros((1, 4, 4, 3))}, "two images or more.*Received: 1 images, x of length 1"),
        ({"x": np.zeros((4, 4, 4, 3)), "y": [1, 2]}, "Received: 4 images, y of length 2"),
        ({"x": np.zeros((4, 4, 4, 3)), "every": 0}, "`every`.*Received: every=0"),
        ({"x": np.zeros((4, 4, 4, 3)), "patience": 0.5}, "`patience`.*Received: patience=0.5"),
        ({"x": {"x": np.zeros((4, 4, 4, 3)), "z": 1}}, "Received: keys="),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CollapseDoctor(**arguments)


def test_other_models_are_refused(make_model, images):
    with pytest.raises(ValueError, match="objectives of this library. Received: a model of type Autoencoder"):
        make_model().fit(images[0], verbose=0, callbacks=[CollapseDoctor(images[0])])


@pytest.mark.long
@on_tensorflow
def test_under_a_distribution_strategy():
    """Two replicas give the evidence, and leave the weights, that one device does."""
    program = """
import keras, numpy as np, tensorflow as tf, keras_ssl
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
x = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), dtype=np.uint8)
def run(strategy, doctors):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = keras_ssl.MoCo(keras_ssl.encoders.ConvNet((4, 8)), projector=(12, 8), queue_size=16, batch_norm=True)
        model.compile(keras.optimizers.SGD(0.01), jit_compile=False)
    model.fit((x, x[::-1].copy()), batch_size=16, epochs=2, verbose=0, callbacks=doctors)
    return model.get_weights()
one, two = (keras_ssl.callbacks.CollapseDoctor((x, x[::-1].copy()), every=2) for _ in range(2))
run(tf.distribute.get_strategy(), [one])
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
watched, alone = run(mirrored, [two]), run(mirrored, [])
for a, b in zip(watched, alone, strict=True):
    np.testing.assert_array_equal(a, b)
np.testing.assert_allclose(one._past, two._past, rtol=1e-4)
assert len(two._past) == 3 and [f.name for f in one.findings] == [f.name for f in two.findings]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

"""Several replicas: what the conformance suite does not vary."""

import keras
import numpy as np
import pytest

from keras_ssl.data import from_arrays
from keras_ssl.testing.run_steps import Job, record
from tests.objectives.tiny import OBJECTIVES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"),
]

PROGRAM = """
import keras, numpy as np
import keras_ssl
from keras_ssl.testing.run_steps import Job, record
from tests.training.test_replicated_step import images
with mirrored.scope():
    model = keras.saving.load_model({model!r}, compile=False)
    recording = record(model, Job({model!r}, images({count}), **{options}))
np.savez({out!r}, *recording.weights)
"""


def saved(tmp_path, name):
    path = str(tmp_path / f"{name}.keras")
    OBJECTIVES[name]().save(path)
    return path


def images(count):
    return {"x": np.random.RandomState(0).randint(0, 256, (count, 8, 8, 3)).astype("uint8")}


def test_clipping_acts_on_the_whole_gradient(tmp_path, two_replicas):
    """Keras clips before it sums over replicas; the step sums first."""
    model, out = saved(tmp_path, "barlow_twins"), str(tmp_path / "out.npz")
    options = {"learning_rate": 0.1, "global_clipnorm": 0.01}
    here = record(keras.saving.load_model(model, compile=False), Job(model, images(24), **options))
    assert two_replicas(PROGRAM.format(model=model, count=24, options=options, out=out)) is None
    with np.load(out) as there:
        for mine, theirs, start in zip(there.values(), here.weights, here.start, strict=True):
            np.testing.assert_allclose(mine - start, theirs - start, atol=1e-5 + 0.01 * np.abs(theirs - start).max())
    moved = sum(np.square(a - b).sum() for a, b in zip(here.weights, here.start, strict=True) if a.dtype == "float32")
    assert moved > 0


def test_a_batch_that_the_replicas_do_not_divide_is_refused(tmp_path, two_replicas):
    model, out = saved(tmp_path, "simclr"), str(tmp_path / "out.npz")
    failed = two_replicas(PROGRAM.format(model=model, count=18, options={"batch_size": 9}, out=out))
    assert "multiple of the 2 replicas. Received: batch_size=9" in failed


PART = """
import keras
from tests.training.test_replicated_step import steps_on_a_part
with mirrored.scope():
    model = keras.saving.load_model({model!r}, compile=False)
    steps_on_a_part(model, {out!r})
"""


def steps_on_a_part(model, out):
    """What one of two processes reads of every batch, shared by the replicas of this one."""
    data = from_arrays(**images(48), batch_size=24, seed=3)
    data.take_part(1, 2)
    model.compile(keras.optimizers.SGD(1e-3))
    history = model.fit(data, epochs=2, verbose=0)
    np.savez(out, *model.get_weights(), loss=history.history["loss"])


def test_what_a_process_reads_is_divided_among_its_own_replicas(tmp_path, two_replicas):
    model, here, there = saved(tmp_path, "barlow_twins"), str(tmp_path / "one.npz"), str(tmp_path / "two.npz")
    steps_on_a_part(keras.saving.load_model(model, compile=False), here)
    assert two_replicas(PART.format(model=model, out=there)) is None
    with np.load(here) as one, np.load(there) as two:
        assert len(one["loss"]) == 2 and one.files == two.files
        for name in one.files:
            np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5)

"""Several replicas: what the conformance suite does not vary."""

import keras
import numpy as np
import pytest

from keras_ssl.testing.run_steps import Job, record, run_elsewhere
from tests.objectives.tiny import OBJECTIVES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"),
]


def saved(tmp_path, name):
    path = str(tmp_path / f"{name}.keras")
    OBJECTIVES[name]().save(path)
    return path


def images(count):
    return {"x": np.random.RandomState(0).randint(0, 256, (count, 8, 8, 3)).astype("uint8")}


def test_clipping_acts_on_the_whole_gradient(tmp_path):
    """Keras clips before it sums over replicas; the step sums first."""
    job = Job(saved(tmp_path, "barlow_twins"), images(24), learning_rate=0.1, global_clipnorm=0.01)
    here = record(keras.saving.load_model(job.model, compile=False), job)
    there = run_elsewhere({"job": job}, "tensorflow", replicas=2)["job"]
    for mine, theirs, start in zip(there.weights, here.weights, here.start, strict=True):
        np.testing.assert_allclose(mine - start, theirs - start, atol=1e-5 + 0.01 * np.abs(theirs - start).max())
    moved = sum(np.square(a - b).sum() for a, b in zip(here.weights, here.start, strict=True) if a.dtype == "float32")
    assert moved > 0


def test_a_batch_that_the_replicas_do_not_divide_is_refused(tmp_path):
    job = Job(saved(tmp_path, "simclr"), images(18), batch_size=9)
    with pytest.raises(RuntimeError, match="multiple of the 2 replicas. Received: batch_size=9"):
        run_elsewhere({"job": job}, "tensorflow", replicas=2)

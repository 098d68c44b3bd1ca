"""Runs whose terminal is gone: they end as they would with one."""

import os
import subprocess
import sys

import keras
import pytest

from keras_ssl.callbacks.checkpoint_folder import latest_whole
from tests.callbacks.tiny_run import tiny, train, vectors

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="nothing of it is the backend's")
PROGRAM = """
import os, signal, sys, warnings
import keras
from tests.callbacks.tiny_run import tiny, vectors
from keras_ssl.callbacks import Checkpoint, CollapseDoctor

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        warnings.warn(f"step {int(self.model.step)}")
        if int(self.model.step) == 6:
            os.kill(os.getpid(), signal.SIGTERM)

checkpoint = Checkpoint(sys.argv[1], every_steps=None, signals=(signal.SIGTERM,))
tiny().fit(vectors(), batch_size=8, epochs=3, verbose=1, callbacks=[CollapseDoctor(vectors(8)), Kill(), checkpoint])
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "pipe"])
def test_a_signal_saves_and_has_its_exit_code(tmp_path, kind):
    reader, writer = os.pipe() if kind == "pipe" else (None, os.open("/dev/full", os.O_WRONLY))
    if reader is not None:
        os.close(reader)
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=writer, stderr=writer, timeout=300)
    os.close(writer)
    assert done.returncode == 143
    assert latest_whole(tmp_path).step in (6, 7)


def test_fit_without_streams(monkeypatch, capsys):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    model = tiny()
    model.fit(vectors(), batch_size=8, verbose=1)
    model.evaluate(vectors(), verbose=1)
    train(model, callbacks=[])
    assert sys.stdout is None

"""kill -9 at random times, as often as it likes: the folder always resumes, and the end is that of one whole run."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ssl.callbacks.checkpoint_folder import saved_checkpoints

ROOT = Path(__file__).parents[2]


def start(folder, epochs, out):
    command = [sys.executable, "-m", "tests.callbacks.tiny_run", str(folder), str(epochs), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def latest(folder):
    saved, damaged = saved_checkpoints(folder)
    assert not damaged
    return saved[-1].step if saved else 0


def latest_name(folder):
    """The number of the newest folder, without a look into it: cheap enough to ask all the time."""
    return max((int(path.name[5:]) for path in folder.glob("step-*")), default=0)


@pytest.mark.parametrize(
    ("kills", "epochs"),
    [pytest.param(3, 12, marks=pytest.mark.slow), pytest.param(50, 400, marks=pytest.mark.long)],
)
def test_killed_at_random_times(tmp_path, kills, epochs):
    if kills == 3 and keras.backend.backend() != "tensorflow":
        pytest.skip("processes take long to start; the long test runs on every backend")
    folder, rng = tmp_path / "run", random.Random(0)
    folder.mkdir()
    whole = start(tmp_path / "whole", epochs, tmp_path / "whole.npz")
    for _ in range(kills):
        before = latest(folder)
        process = start(folder, epochs, tmp_path / "run.npz")
        assert int(process.stdout.readline()) == before  # no step is lost but those since the last checkpoint
        goal = before + rng.randrange(1, 12)
        while latest_name(folder) < goal:
            assert process.poll() is None, "the run came to its end too early"
            time.sleep(0.001)
        time.sleep(0.03 * rng.random())
        process.kill()
        process.communicate()
    last = start(folder, epochs, tmp_path / "run.npz")
    last.communicate()
    whole.communicate()
    assert last.returncode == whole.returncode == 0
    with np.load(tmp_path / "run.npz") as got, np.load(tmp_path / "whole.npz") as expected:
        assert got.files == expected.files
        for name in got.files:
            np.testing.assert_array_equal(got[name], expected[name], err_msg=name)
    assert len(list(folder.iterdir())) == 2  # the last two checkpoints, and nothing that a killed run left

"""kill -9 at random times, as often as it likes: the folder always resumes, and the end is that of one whole run."""

import random
import signal
import time

import keras
import numpy as np
import pytest

from keras_ssl.callbacks.checkpoint_folder import saved_checkpoints
from tests.callbacks.tiny_run import STEPS, main
from tests.forking import FORKED


def start(folder, epochs, out):
    """A process that trains, and what tells the step it begins with."""
    begun, told = FORKED.Pipe(duplex=False)
    process = FORKED.Process(target=main, args=(folder, epochs, out, told))
    process.start()
    told.close()
    return process, begun


def latest(folder):
    saved, damaged = saved_checkpoints(folder)
    assert not damaged
    return saved[-1].step if saved else 0


def latest_name(folder):
    """The number of the newest folder, without a look into it: cheap enough to ask all the time."""
    return max((int(path.name[5:]) for path in folder.glob("step-*")), default=0)


@pytest.mark.parametrize(
    ("kills", "epochs"),
    [pytest.param(3, 12, marks=pytest.mark.slow), pytest.param(50, 200, marks=pytest.mark.long)],
)
def test_killed_at_random_times(tmp_path, kills, epochs):
    if kills == 3 and keras.backend.backend() != "tensorflow":
        pytest.skip("processes take long to start; the long test runs on every backend")
    folder, rng = tmp_path / "run", random.Random(0)
    folder.mkdir()
    whole, unread = start(tmp_path / "whole", epochs, tmp_path / "whole.npz")
    for _ in range(kills):
        before = latest(folder)
        process, begun = start(folder, epochs, tmp_path / "run.npz")
        assert begun.recv() == before  # no step is lost but those since the last checkpoint
        goal = before + rng.randrange(1, 12)
        while latest_name(folder) < goal:
            assert process.is_alive(), "the run came to its end too early"
            time.sleep(0.001)
        time.sleep(0.03 * rng.random())
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    last, begun = start(folder, epochs, tmp_path / "run.npz")
    assert begun.recv() < epochs * STEPS
    last.join()
    whole.join()
    assert unread.recv() == 0
    assert last.exitcode == whole.exitcode == 0
    with np.load(tmp_path / "run.npz") as got, np.load(tmp_path / "whole.npz") as expected:
        assert got.files == expected.files
        for name in got.files:
            np.testing.assert_array_equal(got[name], expected[name], err_msg=name)
    assert len(list(folder.iterdir())) == 2  # the last two checkpoints, and nothing that a killed run left

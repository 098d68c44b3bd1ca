"""A disk that is full, in earnest: checkpoints on a file system of a few pages."""

import subprocess
import sys

import keras
import pytest

from tests.mounting import before_command

PROGRAM = """
import sys, warnings
from pathlib import Path
from keras_ssl.callbacks.checkpoint_folder import saved_checkpoints
from tests.callbacks.tiny_run import assert_equal_state, everything, tiny, train

disk = Path(sys.argv[1])
filler = disk / "filler"
filler.write_bytes(bytes(160 * 1024))
whole, model, late = tiny(), tiny(), tiny()
train(whole)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    train(model, disk / "run", keep=20)
print(*{str(one.message) for one in caught if "could not be written" in str(one.message)}, sep="\\n")
assert_equal_state(everything(model), everything(whole))  # training went on
saved, damaged = saved_checkpoints(disk / "run")
assert saved and not damaged and [one.step for one in saved] == list(range(1, saved[-1].step + 1)), saved
assert saved[-1].step < 12 and len(list((disk / "run").iterdir())) == len(saved)  # and no half of one is left
filler.unlink()
train(late, disk / "run", keep=20)
assert_equal_state(everything(late), everything(whole))
print("went on from step", saved[-1].step)
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="nothing of it is the backend's")
def test_a_full_disk_keeps_the_checkpoints_before_and_the_run_goes_on_from_them(tmp_path):
    command = [*before_command(tmp_path, "-t tmpfs -o size=256k tmpfs"), sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    *said, last = done.stdout.splitlines()
    step = int(last.removeprefix("went on from step "))
    assert said and all("No space left on device" in line and "Training goes on" in line for line in said)
    assert any(f"step {step + 1} could not be written" in line and f"step-{step:010}" in line for line in said)

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


CURVES = """
import sys, warnings
from pathlib import Path
import keras
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from keras_ssl.callbacks import TensorBoard
from tests.callbacks.tiny_run import STEPS, tiny, train

disk = Path(sys.argv[1])

class Fill(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            with open(disk / "filler", "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
        if epoch == 4:
            (disk / "filler").unlink()

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    train(tiny(), disk / "run" / "checkpoints", every_steps=None, keep=1, epochs=6, callbacks=[
        TensorBoard(disk / "run", update_freq=1), Fill()])
print(*[one.message for one in caught if "tfevents" in str(one.message)], sep="\\n")
board = EventAccumulator(str(disk / "run"), size_guidance={"tensors": 10**6}).Reload()
assert [event.step for event in board.Tensors("step/loss")] == list(range(1, 6 * STEPS + 1))
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="nothing of it is the backend's")
def test_curves_wait_until_there_is_room_again(tmp_path):
    command = [*before_command(tmp_path, "-t tmpfs -o size=256k tmpfs"), sys.executable, "-c", CURVES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    (said,) = done.stdout.splitlines()
    assert "This cannot be written: " in said and "(No space left on device). The run goes on." in said

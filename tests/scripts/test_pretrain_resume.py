"""scripts/pretrain.py, interrupted: the same command goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tests.forking import SCRIPTS
from tests.scripts.test_scripts import TINY

pytestmark = pytest.mark.long


def start(folder, *flags):
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(SCRIPTS / "pretrain.py"), *TINY, "--epochs=60", *flags]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_signal_then_another_recipe_then_the_same_command(tmp_path):
    whole = start(tmp_path, "--logdir=whole")
    first = start(tmp_path, "--logdir=run")
    while not list(tmp_path.glob("run/checkpoints/step-*")):
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate()
    assert first.returncode == 143 and "SIGTERM: saved in run/checkpoints/step-" in said
    assert not (tmp_path / "run" / "model.weights.h5").exists()

    other = start(tmp_path, "--logdir=run", "--set=objective.temperature=0.9")
    _, said = other.communicate()
    assert other.returncode == 1 and "settings.recipe.objective.temperature: " in said and "Traceback" not in said

    again = start(tmp_path, "--logdir=run")
    said, _ = again.communicate()
    whole.communicate()
    assert again.returncode == whole.returncode == 0 and "Going on from run/checkpoints/step-" in said
    got, expected = (json.loads((tmp_path / name / "history.json").read_text()) for name in ("run", "whole"))
    for name in ("loss", "knn_accuracy", "embedding_std"):
        np.testing.assert_array_equal(got[name], expected[name])

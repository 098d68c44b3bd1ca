"""Views that pass a network as one batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ssl.training.joined_views import join_views, part_views

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("divided", [False, True])
def test_joined_views_come_apart_again(monkeypatch, divided):
    monkeypatch.setattr(keras.distribution, "distribution", lambda: object() if divided else None)
    views = [np.arange(12.0, dtype="float32").reshape(3, 2, 2) + 100 * number for number in range(4)]
    rows = keras.ops.convert_to_numpy(join_views(views))
    assert rows.shape == (12, 2, 2)
    np.testing.assert_array_equal(rows[1], views[1][0] if divided else views[0][1])
    for part, view in zip(part_views(rows, 4), views, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(part), view)


def test_one_view_is_passed_on():
    view = keras.ops.ones((2, 3))
    assert join_views([view]) is view and part_views(view, 1)[0] is view


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow's replicas hold views of their own")
@pytest.mark.parametrize("method", ["SimCLR", "SwAV"])
def test_no_image_moves_between_devices(method):
    """Two views of 64 images of 16 pixels are 393 kB; what moves is of embeddings and weights."""
    command = [sys.executable, "benchmarks/communication.py", f"--case={method},64,64", "--devices=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])["collectives"]
    moved = [size for kind, size in found if kind not in ("all-reduce", "all-gather")]
    assert found and max(moved, default=0) <= 64 * 64 * 4 * 2

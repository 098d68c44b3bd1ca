"""The examples for clusters give what `keras_ssl.embed` gives, on the local runners of Ray and Beam."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_ssl
from keras_ssl.evaluation import open_features
from tests.workflows.test_choices import photos

pytestmark = [pytest.mark.slow, pytest.mark.once]
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(("example", "needs"), [("ray_data", "ray"), ("beam", "apache_beam")])
def test_shards_are_those_of_embed(tmp_path, example, needs):
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"no {needs}")
    folder, out = tmp_path / "photos", tmp_path / "features"
    photos(folder / "a", 7, (20, 30))
    photos(folder / "b", 5, (30, 20), start=7)
    command = [sys.executable, ROOT / "examples" / "clusters" / f"{example}.py", f"--images={folder}"]
    command += ["--model=barlow_digits", f"--out={out}", "--shard_size=5"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0"}
    run = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run(command, **run)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"3 shards: {out}" in done.stdout
    opened = open_features(out, verify=True)
    assert opened.names == [*(f"a/00{number}.png" for number in range(7)), *(f"b/0{n:02d}.png" for n in range(7, 12))]
    np.testing.assert_allclose(opened, keras_ssl.embed("barlow_digits", folder), atol=1e-5)
    kept = sorted(out.glob("*.npz"))
    assert [path.name for path in out.iterdir() if path not in kept] == []
    times = [path.stat().st_mtime_ns for path in kept]
    kept[1].unlink()
    done = subprocess.run(command, **run)
    assert done.returncode == 0, done.stderr[-3000:]
    again = [path.stat().st_mtime_ns for path in kept]
    assert again[0] == times[0] and again[1] > times[1] and again[2] == times[2]

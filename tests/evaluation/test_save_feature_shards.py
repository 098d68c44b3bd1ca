"""Features in shards: written by one process or several, gone on with, refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.data import from_arrays
from keras_ssl.evaluation import open_features
from keras_ssl.evaluation.open_features import MANIFEST
from keras_ssl.evaluation.save_feature_shards import save_feature_shards
from tests.evaluation.test_open_features import damage
from tests.workflows.test_choices import photos


def encoder(seed=0, width=4, pooling="avg"):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    pool = layers.GlobalAveragePooling2D() if pooling == "avg" else layers.GlobalMaxPooling2D()
    return keras.Sequential([layers.Input((6, 6, 3)), layers.Conv2D(width, 3), pool])


def images(count=23, seed=0):
    return np.random.default_rng(seed).random((count, 6, 6, 3), "float32")


def data(count=23, seed=0, labels=True):
    return from_arrays(images(count, seed), np.arange(count) % 3 if labels else None, batch_size=4)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_features_are_those_of_one_call(tmp_path):
    model = encoder()
    assert save_feature_shards(tmp_path / "out", model, data(), batch_size=4, shard_size=8) == 23
    names = [f"features-0000{shard}-of-00003.npz" for shard in range(3)]
    assert files(tmp_path / "out") == [MANIFEST, *names]
    opened = open_features(tmp_path / "out", verify=True)
    np.testing.assert_allclose(opened, keras_ssl.embed(model, images()), atol=1e-6)
    assert opened.names == [str(number) for number in range(23)] and opened.numbers.tolist() == list(range(23))
    assert opened.labels.tolist() == (np.arange(23) % 3).tolist()


def test_several_processes_write_each_its_part(tmp_path):
    model = encoder()
    rows = []
    for place in (2, 0):
        rows.append(save_feature_shards(tmp_path / "out", model, data(), 4, shard_size=5, shard=(place, 3)))
    with pytest.raises(ValueError, match=r"2 of 5 shards are missing, features-00001-of-00005.npz first"):
        open_features(tmp_path / "out")
    elsewhere = tmp_path / "elsewhere"  # another machine's disk: the files are then put together
    rows.append(save_feature_shards(elsewhere, model, data(), 4, shard_size=5, shard=(1, 3)))
    assert rows == [5, 10, 8]
    for path in elsewhere.glob("*.npz"):
        path.rename(tmp_path / "out" / path.name)
    np.testing.assert_allclose(open_features(tmp_path / "out"), keras_ssl.embed(model, images()), atol=1e-6)


def test_goes_on_and_names_what_is_damaged(tmp_path):
    model, out = encoder(), tmp_path / "out"
    save_feature_shards(out, model, data(), 4, shard_size=8)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    (out / "features-00000-of-00003.npz").unlink()
    cut = out / "features-00002-of-00003.npz"
    cut.write_bytes(cut.read_bytes()[:-30])
    damage(out / "features-00001-of-00003.npz", 230)
    with pytest.warns(UserWarning, match="A damaged shard is written again: .*of-00003.npz") as warned:
        assert save_feature_shards(out, model, data(), 4, shard_size=8) == 23
    named = [str(warning.message) for warning in warned if "damaged shard" in str(warning.message)]
    assert len(named) == 2 and "00001-of" in named[0] and "00002-of" in named[1]
    np.testing.assert_allclose(open_features(out, verify=True), keras_ssl.embed(model, images()), atol=1e-6)
    again = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert save_feature_shards(out, model, data(), 4, shard_size=8) == 23
    assert again == {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert again[MANIFEST] == before[MANIFEST]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"seed": 1}}, "data"),
        ({"data": {"count": 24}}, "count, data"),
        ({"data": {"labels": False}}, "data"),
        ({"model": {"seed": 1}}, "model"),
        ({"model": {"width": 5}}, "dimension, model"),
        ({"model": {"pooling": "max"}}, "first features"),
        ({"shard_size": 9}, "shard_size"),
    ],
)
def test_other_data_or_another_model_is_refused(tmp_path, change, message):
    save_feature_shards(tmp_path / "out", encoder(), data(), 4, shard_size=8)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(ValueError, match=f"they differ in {message}. Received: out="):
        save_feature_shards(
            tmp_path / "out",
            encoder(**change.get("model", {})),
            data(**change.get("data", {})),
            4,
            shard_size=change.get("shard_size", 8),
        )
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_a_shard_of_another_embedding_is_refused(tmp_path):
    for name, seed in (("one", 0), ("other", 1)):
        save_feature_shards(tmp_path / name, encoder(seed), data(), 4, shard_size=8)
    name = "features-00001-of-00003.npz"
    (tmp_path / "other" / name).replace(tmp_path / "one" / name)
    with pytest.raises(ValueError, match=r"A shard is of other data or another model. Received: .*00001-of-00003"):
        open_features(tmp_path / "one")
    with pytest.raises(ValueError, match="`out` holds a shard of other data .* with features-00001"):
        save_feature_shards(tmp_path / "one", encoder(), data(), 4, shard_size=8)


@pytest.mark.parametrize("shard", [(3, 3), (-1, 2), (0, 0), "0/2", (0.5, 2), 1])
def test_bad_parts(tmp_path, shard):
    with pytest.raises(ValueError, match=r"`shard` must be \(i, n\) with i from 0 to n - 1. Received: shard="):
        save_feature_shards(tmp_path / "out", encoder(), data(), shard=shard)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_photographs(tmp_path):
    photos(tmp_path / "photos", 30, (20, 30))
    out = tmp_path / "out"
    assert keras_ssl.embed("barlow_digits", tmp_path / "photos", out=out, shard_size=10, shard=(1, 2)) == 10
    assert keras_ssl.embed("barlow_digits", tmp_path / "photos", out=out, shard_size=10) == 30
    opened = open_features(out)
    np.testing.assert_allclose(opened, keras_ssl.embed("barlow_digits", tmp_path / "photos"), atol=1e-5)
    assert opened.names == sorted(path.name for path in (tmp_path / "photos").iterdir())
    first = sorted((tmp_path / "photos").iterdir())[0]
    first.write_bytes(first.read_bytes() + b"\x00")
    with pytest.raises(ValueError, match="they differ in data"):
        keras_ssl.embed("barlow_digits", tmp_path / "photos", out=out, shard_size=10)


def test_images_that_cannot_be_decoded_are_left_out(tmp_path):
    photos(tmp_path / "photos", 120, (12, 13))
    broken = sorted((tmp_path / "photos").iterdir())[7]
    content = bytearray(broken.read_bytes())
    content[len(content) // 2 : -12] = bytes(len(content) - 12 - len(content) // 2)
    broken.write_bytes(content)
    with pytest.warns(UserWarning, match=broken.name):
        rows = keras_ssl.embed("barlow_digits", tmp_path / "photos", out=tmp_path / "out", shard_size=50)
    opened = open_features(tmp_path / "out")
    assert rows == len(opened) == 119 and broken.name not in opened.names
    assert opened.numbers.tolist() == [number for number in range(120) if number != 7]


@pytest.mark.slow
def test_a_killed_process_goes_on(tmp_path):
    program = (
        "import numpy as np, keras_ssl\n"
        "images = np.random.default_rng(0).integers(0, 256, (4000, 16, 16, 3), 'uint8')\n"
        "keras_ssl.embed('barlow_digits', images, out='out', shard_size=40, batch_size=40)\n"
    )
    root = str(Path(keras_ssl.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment)
    begun, deadline = tmp_path / "out" / "features-00002-of-00100.npz", time.monotonic() + 120
    while not begun.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("features-*.npz")}
    assert 3 <= len(kept) < 100
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["count"] == 4000
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    pixels = np.random.default_rng(0).integers(0, 256, (4000, 16, 16, 3), "uint8")
    expected = keras_ssl.embed("barlow_digits", pixels, batch_size=40)
    np.testing.assert_allclose(open_features(tmp_path / "out", verify=True), expected, atol=1e-5)

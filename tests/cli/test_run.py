"""`keras-ssl`: commands, their help, mistakes in one line, and nothing on the error stream but what is ours."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_ssl
from keras_ssl.command_list import commands
from keras_ssl.workflows.best_method import best_method
from tests.workflows.test_choices import photos

pytestmark = pytest.mark.once
COMMANDS = (
    "choose-labels",
    "convert",
    "distill",
    "doctor",
    "embed",
    "evaluate",
    "export",
    "find-duplicates",
    "methods",
    "pretrain",
    "rank",
    "search",
    "shards",
    "zoo",
)


def keras_ssl_command(*arguments, cwd):
    command = [sys.executable, "-m", "keras_ssl", *map(str, arguments)]
    root = str(Path(keras_ssl.__file__).parents[1])
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": root, "HOME": str(cwd)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_every_command_says_what_it_does():
    assert tuple(commands()) == COMMANDS
    assert all(text and text[0].isupper() for text in commands().values())


@pytest.mark.slow
def test_help_and_mistakes(tmp_path):
    told = keras_ssl_command("help", cwd=tmp_path)
    assert told.returncode == 0 and told.stderr == "" and all(f"  {name} " in told.stdout for name in COMMANDS)
    wrong = keras_ssl_command("pretrian", cwd=tmp_path)
    assert wrong.returncode == 1 and wrong.stdout == ""
    assert wrong.stderr.startswith("keras-ssl: error: There is no such command. Closest: pretrain")
    for arguments, text in (
        (("pretrain", "photos", "--epoch=3"), "There is no such flag. Closest: --epochs, --export."),
        (("pretrain", "a", "b"), "One data set is taken. Received: a b (--help tells the flags)"),
        (("methods", "--family=contrast"), "No method has it. Closest: contrastive."),
    ):
        told = keras_ssl_command(*arguments, cwd=tmp_path)
        assert told.returncode == 1 and told.stdout == ""
        assert told.stderr.startswith(f"keras-ssl {arguments[0]}: error: {text}") and told.stderr.count("\n") == 1
    told = keras_ssl_command("embed", "--help", cwd=tmp_path)
    assert "Computes the features of images" in told.stdout and "--out" in told.stdout


@pytest.mark.slow
def test_from_photos_to_an_encoder_and_features(tmp_path):
    photos(tmp_path / "photos", 20, (20, 30))
    trained = keras_ssl_command(
        "pretrain", "photos/", "--epochs=1", "--batch-size=8", "--export=entry", "--verbose=2", cwd=tmp_path
    )
    assert trained.returncode == 0, trained.stderr
    assert f"objective.name = {best_method(20)}: " in trained.stdout and "Done in " in trained.stdout
    noise = [line for line in trained.stderr.splitlines() if line[:2] in ("I0", "E0", "W0") or "cuda" in line.lower()]
    assert not noise
    embedded = keras_ssl_command("embed", "photos", "--model=entry", "--out=features.npz", cwd=tmp_path)
    assert embedded.returncode == 0, embedded.stderr
    assert np.load(tmp_path / "features.npz")["features"].shape == (20, 128)
    served = keras_ssl_command("export", "--entry=entry", "--output=served", "--format=onnx,litert", cwd=tmp_path)
    assert served.returncode == 0, served.stderr
    assert "served.onnx: " in served.stdout and "served.tflite: " in served.stdout
    assert (tmp_path / "served.onnx").stat().st_size > 1000 and not (tmp_path / "served").exists()
    again = keras_ssl_command("pretrain", "photos/", "--epochs=1", cwd=tmp_path)
    assert again.returncode == 1 and "--out holds a finished run; --overwrite replaces it." in again.stderr


@pytest.mark.slow
def test_doctor_and_methods(tmp_path):
    found = keras_ssl_command("doctor", cwd=tmp_path)
    assert found.returncode == 0 and "ok    a training step" in found.stdout
    listed = keras_ssl_command("methods", "--family=decorrelation", cwd=tmp_path)
    assert listed.stdout.startswith("name") and "BarlowTwins" in listed.stdout and "SimCLR" not in listed.stdout

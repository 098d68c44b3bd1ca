"""A batch that fits into memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import SSLModel
from keras_ssl.workflows import choices
from keras_ssl.workflows.fitting_batch import is_out_of_memory
from tests.workflows.test_choices import photos

IMAGES = np.random.RandomState(0).randint(0, 256, (70, 16, 16, 3), "uint8")


@pytest.fixture
def room(monkeypatch):
    """Lets `fit` run out of memory above a number of images in a batch; notes the batches that were tried."""
    plain, tried = SSLModel.fit, []

    def fit(self, data, **options):
        tried.append(data.batch_size)
        if data.batch_size > 4:
            raise MemoryError("no room")
        return plain(self, data, **options)

    monkeypatch.setattr(SSLModel, "fit", fit)
    monkeypatch.setattr(choices, "chosen_epochs", lambda *arguments: 1)
    return tried


@pytest.mark.slow
def test_a_chosen_batch_is_halved_until_it_fits_and_found_again(tmp_path, room, capsys):
    out = tmp_path / "run"
    model = keras_ssl.pretrain(IMAGES, out=out, verbose=0)
    assert room == [16, 8, 4] and int(model.updates) == 70 // 4
    told = capsys.readouterr().out
    assert "training.batch_size = 8: 16 images" in told and "training.batch_size = 4: 8 images" in told
    recipe = keras_ssl.Recipe.read(out / "recipe.toml").sections
    assert recipe["training"]["batch_size"] == 4
    assert recipe["optimizer"]["learning_rate"] == pytest.approx(2e-3 * (4 / 128) ** 0.5, rel=0.03)
    # The same call finds the run, and tries no larger batch.
    keras_ssl.pretrain(IMAGES, out=out, verbose=0)
    assert room == [16, 8, 4] and "The run is finished" in capsys.readouterr().out


@pytest.mark.slow
def test_a_folder_is_free_after_its_run(tmp_path):
    for overwrite in (False, True):
        model = keras_ssl.pretrain(IMAGES, out=tmp_path, batch_size=8, smoke=True, verbose=0, overwrite=overwrite)
        assert int(model.updates) == 2


@pytest.mark.slow
def test_a_batch_that_was_given_is_kept(tmp_path, room):
    with pytest.raises(MemoryError, match="`batch_size=16` takes half of it. Received: batch_size=32"):
        keras_ssl.pretrain(IMAGES, out=tmp_path / "run", batch_size=32, verbose=0)
    assert room == [32]


@pytest.mark.slow
def test_other_errors_are_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(SSLModel, "fit", lambda self, data, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        keras_ssl.pretrain(IMAGES, out=tmp_path / "run", epochs=1, verbose=0)


@pytest.mark.once
def test_what_backends_raise_is_known():
    tf = pytest.importorskip("tensorflow")
    jax = pytest.importorskip("jax")
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(
        np._core._exceptions._ArrayMemoryError((1,), np.dtype(int))
    )
    assert is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"))
    assert is_out_of_memory(jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"))
    assert not is_out_of_memory(jax.errors.JaxRuntimeError("INVALID_ARGUMENT: x"))
    assert not is_out_of_memory(tf.errors.InvalidArgumentError(None, None, "x")) and not is_out_of_memory(ValueError())
    try:
        try:
            raise MemoryError
        except MemoryError as error:
            raise RuntimeError("fit") from error
    except RuntimeError as error:
        assert is_out_of_memory(error)


@pytest.mark.once
@pytest.mark.slow
def test_the_command_halves_and_says_so(tmp_path):
    photos(tmp_path / "photos", 40, (16, 16))
    program = """
import sys
from keras_ssl.training import SSLModel
plain = SSLModel.fit
def fit(self, data, **options):
    if data.batch_size > 4:
        raise MemoryError
    return plain(self, data, **options)
SSLModel.fit = fit
from keras_ssl.cli.run import main
main()
"""
    root = str(Path(keras_ssl.__file__).parents[1])

    def command(*arguments):
        line = [sys.executable, "-c", program, "pretrain", "photos", "--epochs=1", "--verbose=0", *arguments]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": root, "HOME": str(tmp_path)}
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    done = command()
    assert done.returncode == 0, done.stderr
    assert "training.batch_size = 4: 8 images and their views do not fit into memory" in done.stdout
    assert keras_ssl.Recipe.read(tmp_path / "runs/photos/recipe.toml").sections["training"]["batch_size"] == 4
    given = command("--batch-size=8", "--logdir=other")
    assert given.returncode == 1 and "`--batch_size=4` takes half of it. Received: batch_size=8" in given.stderr

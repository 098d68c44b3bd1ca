"""scripts/pretrain.py in the folder of a run that is going on: refused, and no byte changes."""

import keras
import pytest

from keras_ssl.callbacks.folder_lock import FolderLock
from tests.forking import run_repeatedly
from tests.scripts.test_scripts import TINY

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="nothing of it is the backend's")


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.slow
def test_a_second_start_changes_nothing(tmp_path):
    going, finished = tmp_path / "going", tmp_path / "finished"
    for folder in (going, finished):
        (folder / "checkpoints" / "step-0000000001").mkdir(parents=True)
        (folder / "recipe.toml").write_text("of the run that is going on")
        (folder / "events.out.tfevents.1").write_text("curves")
    (finished / "model.weights.h5").write_text("weights")
    (finished / "results.json").write_text("{}")
    before = contents(tmp_path)
    locks = [FolderLock(folder / "checkpoints") for folder in (going, finished)]
    cases = [
        [*TINY, "--logdir=going", "--set=objective.temperature=0.9"],
        [*TINY, "--logdir=finished", "--overwrite"],
        [*TINY, "--logdir=finished"],
    ]
    ends = run_repeatedly("pretrain.py", *cases, cwd=tmp_path)
    for lock in locks:
        lock.release()
    for error, _ in ends:
        assert error.startswith("pretrain.py: error: Another run saves its checkpoints here. Received: folder=")
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_what_is_refused_later_changes_nothing_and_what_is_allowed_is_noted(tmp_path):
    first = [*TINY, "--logdir=~/run", "--epochs=3"]
    longer = ["--epochs=4", "--allow=settings.recipe", "--allow=optimizer.learning_rate"]
    home = tmp_path / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        ((error, _),) = run_repeatedly("pretrain.py", first, cwd=tmp_path)
        assert error is None and sorted(path.name for path in tmp_path.iterdir()) == ["home"]
        run = home / "run"
        (run / "model.weights.h5").unlink()  # as if it had been killed before
        before = contents(run)
        cases = [[*first, "--set=objective.temperature=0.9"], [*first, *longer]]
        (refused, _), (fine, said) = run_repeatedly("pretrain.py", cases[0], cases[1], cwd=tmp_path)
    assert "settings.recipe.objective.temperature" in refused
    now = contents(run)
    assert fine is None and "Going on from" in said
    assert {path: now[path] for path in before if path.suffix != ".toml" and "tfevents" in path.name} == {
        path: content for path, content in before.items() if "tfevents" in path.name
    }
    assert "epochs = 4" in (run / "recipe.toml").read_text() and (run / "model.weights.h5").exists()

import numpy as np
import pytest

from keras_ssl.callbacks import checkpoint_folder
from keras_ssl.callbacks.checkpoint_folder import (
    best_checkpoint,
    remove_checkpoints,
    remove_old_checkpoints,
    saved_checkpoints,
    write_checkpoint,
)


def write(folder, step, **logs):
    return write_checkpoint(folder, {"a": np.full(3, step, "float32")}, {"step": step, "logs": logs})


def steps(folder):
    return [saved.step for saved in saved_checkpoints(folder)[0]]


def test_order_is_that_of_the_steps_not_of_writing(tmp_path):
    for step in (10, 2, 100):
        write(tmp_path, step)
    assert steps(tmp_path) == [2, 10, 100]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"step": 2}'])
def test_a_folder_whose_state_is_none_is_damaged(tmp_path, content):
    write(tmp_path, 1)
    state = write(tmp_path, 2) / "state.json"
    state.unlink()
    if content is not None:
        state.write_text(content)
    saved, damaged = saved_checkpoints(tmp_path)
    assert [one.step for one in saved] == [1] and damaged == [state.parent]


def test_best_is_by_value_and_then_by_step(tmp_path):
    for step, value in ((1, 0.5), (2, float("nan")), (3, 0.9), (4, 0.9), (5, 0.1)):
        write(tmp_path, step, knn=value)
    write(tmp_path, 6)
    saved, _ = saved_checkpoints(tmp_path)
    assert best_checkpoint(saved, "knn", "max").step == 3
    assert best_checkpoint(saved, "knn", "min").step == 5
    assert best_checkpoint(saved, "loss", "min") is None


def test_old_ones_go_and_the_best_stays(tmp_path):
    for step, value in ((1, 0.5), (2, 0.9), (3, 0.1), (4, 0.2), (5, 0.3)):
        write(tmp_path, step, knn=value)
    (tmp_path / "step-0000000003" / "state.json").unlink()
    remove_old_checkpoints(tmp_path, 2, "knn", "max")
    assert sorted(path.name[-1] for path in tmp_path.iterdir()) == ["2", "4", "5"]


def test_a_fault_while_writing_leaves_nothing(tmp_path, monkeypatch):
    write(tmp_path, 1)

    def half(tensors, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_folder, "write_safetensors", half)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000000001"]


def test_a_removal_that_is_cut_short_leaves_no_checkpoint(tmp_path, monkeypatch):
    write(tmp_path, 1), write(tmp_path, 2)
    monkeypatch.setattr(checkpoint_folder.shutil, "rmtree", lambda path, ignore_errors: None)
    remove_old_checkpoints(tmp_path, 1, None, "max")
    monkeypatch.undo()
    assert steps(tmp_path) == [2] and len(list(tmp_path.iterdir())) == 2
    checkpoint_folder.remove_staging(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000000002"]


def test_remove_checkpoints_leaves_other_things(tmp_path):
    write(tmp_path, 1)
    (tmp_path / "notes.txt").write_text("mine")
    remove_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    remove_checkpoints(tmp_path / "none")

"""Checkpoints of which bytes have changed since they were written: named, and passed over for the one before."""

import json
import shutil
import warnings

import keras
import numpy as np
import pytest

from keras_ssl.callbacks import ResumeError, restore_checkpoint
from keras_ssl.callbacks.checkpoint_folder import (
    STATE,
    VARIABLES,
    checkpoint_path,
    latest_whole,
    read_checkpoint_state,
    write_checkpoint,
)
from tests.callbacks.tiny_run import assert_equal_state, everything, tiny, train

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="nothing of it is the backend's")
LAST = "step-0000000006"


@pytest.fixture(scope="module")
def uninterrupted():
    model = tiny()
    train(model)
    return everything(model)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    train(tiny(), folder, stop=6)
    return folder


@pytest.fixture
def run(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / "run")


def edited(path, edit):
    content = bytearray(path.read_bytes())
    edit(content)
    path.write_bytes(content)


def kernel_place(content):
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(bytes(content[8:end]))
    return end + header[next(name for name in header if name.endswith("kernel"))]["data_offsets"][0]


def zeros_in_a_weight(content):
    start = kernel_place(content)
    content[start : start + 64] = bytes(64)


def one_bit_of_a_weight(content):
    content[kernel_place(content) + 3] ^= 64


def huge_weight(content):
    start = kernel_place(content)
    content[start : start + 4] = np.float32(1e30).tobytes()


def bit_of_the_header(content):
    content[20] ^= 64


def bit_of_the_length(content):
    content[1] ^= 1


def all_zeros(content):
    content[:] = bytes(len(content))


def truncated(content):
    del content[-1:]


def last_byte(content):
    content[-1] ^= 1


@pytest.mark.parametrize(
    "edit",
    [
        zeros_in_a_weight,
        one_bit_of_a_weight,
        huge_weight,
        bit_of_the_header,
        bit_of_the_length,
        all_zeros,
        truncated,
        last_byte,
    ],
)
def test_variables(run, uninterrupted, edit):
    edited(run / LAST / VARIABLES, edit)
    model = tiny()
    with pytest.warns(UserWarning, match=f"not whole, and passed over: .*{LAST}"):
        train(model, run)
    assert_equal_state(everything(model), uninterrupted)


def without(name):
    return lambda state: {key: value for key, value in state.items() if key != name}


def changed(**values):
    return lambda state: {**state, **values}


def old(change=lambda state: state):
    """As version 0.1.0 wrote it: without hashes."""
    return lambda state: change(without("digest")(without("sha256")(state)))


STATES = {
    "without a digest": without("digest"),
    "without hashes": without("sha256"),
    "another loss": lambda state: {**state, "logs": {"loss": 0.0}},
    "another position": lambda state: {**state, "position": {**state["position"], "batch": 1}},
    "logs null": changed(logs=None),
    "another step": changed(step=2),
    "step a text": changed(step="6"),
    "more than there was": changed(more=1),
    "a list": lambda state: [state],
    **{f"old, without {name}": old(without(name)) for name in ("step", "settings", "position", "history", "sizes")},
    "old, logs null": old(changed(logs=None)),
    "old, another step": old(changed(step=2)),
    "old, sizes null": old(changed(sizes=None)),
    "old, position a list": old(changed(position=[])),
}


@pytest.mark.parametrize("case", STATES)
def test_states_are_not_taken_for_whole(run, case):
    path = run / LAST / STATE
    path.write_text(json.dumps(STATES[case](json.loads(path.read_text()))))
    assert read_checkpoint_state(path.parent) is None
    assert latest_whole(run).step == 5


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000 + "]" * 100_000, "null", "9" * 5000, "\udcff"])
def test_texts_that_are_no_state(run, text):
    (run / LAST / STATE).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert latest_whole(run).step == 5


def test_any_byte_of_the_state(tmp_path):
    state = {"step": 3, "seed": 0, "logs": {"loss": 0.1, "knn": float("nan")}, "position": {"epoch": 1}, "names": ["a"]}
    path = write_checkpoint(tmp_path, {"a": np.arange(3.0)}, state) / STATE
    content = path.read_bytes()
    assert read_checkpoint_state(path.parent) is not None
    for place, byte in enumerate(content):
        if not chr(byte).isspace():  # how it is laid out may change
            path.write_bytes(content[:place] + bytes([byte ^ 1]) + content[place + 1 :])
            saved = read_checkpoint_state(path.parent)
            assert saved is None or saved.damage() is not None, (place, content[place - 20 : place + 20])


def test_any_byte_of_the_variables(tmp_path):
    path = write_checkpoint(tmp_path, {"a": np.arange(3.0)}, {"step": 3, "logs": {}}) / VARIABLES
    content = path.read_bytes()
    assert read_checkpoint_state(path.parent).damage() is None
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        assert "not those that were written" in read_checkpoint_state(path.parent).damage()


def test_those_of_version_0_1_0_go_on(run, uninterrupted):
    for path in run.glob(f"*/{STATE}"):
        state = old()(json.loads(path.read_text()))
        del state["settings"]["samples"]
        path.write_text(json.dumps(state))
    model = tiny()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*not whole")
        train(model, run)
    assert_equal_state(everything(model), uninterrupted)


def test_those_of_version_0_1_0_that_cannot_be_read(run, uninterrupted):
    path = run / LAST / STATE
    path.write_text(json.dumps(old()(json.loads(path.read_text()))))
    edited(path.with_name(VARIABLES), bit_of_the_header)
    model = tiny()
    with pytest.warns(UserWarning, match=f"not whole, and passed over: .*{LAST}.*cannot be read"):
        train(model, run)
    assert_equal_state(everything(model), uninterrupted)


@pytest.mark.parametrize("edit", [last_byte, truncated])
def test_none_is_whole(run, edit):
    for path in run.glob(f"*/{VARIABLES}"):
        edited(path, edit)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with (
        pytest.warns(UserWarning, match="not whole"),
        pytest.raises(ResumeError, match=r"None of the checkpoints.*remove them all.*Received: folder='.*run' with 2"),
    ):
        train(tiny(), run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_the_damaged_one_is_not_kept_in_place_of_a_whole_one(run):
    edited(run / LAST / VARIABLES, last_byte)
    with pytest.warns(UserWarning, match="not whole"):
        train(tiny(), run, stop=1, keep=1)  # the step that is saved is that of the damaged one
    assert latest_whole(run).step == 6 and len(list(run.iterdir())) == 1


def test_a_run_that_is_refused_changes_nothing(run):
    edited(run / LAST / VARIABLES, last_byte)
    (run / f".{'a' * 32}-step-0000000007").mkdir()
    before = {path: path.is_file() and path.read_bytes() for path in run.rglob("*")}
    with pytest.warns(UserWarning, match="not whole"), pytest.raises(ResumeError, match="queue_size"):
        train(tiny(queue_size=8), run)
    assert {path: path.is_file() and path.read_bytes() for path in run.rglob("*")} == before


def test_restore_names_it_and_takes_the_one_before_of_a_folder(run):
    edited(run / LAST / VARIABLES, last_byte)
    model = tiny()
    before = everything(model)
    with pytest.raises(ValueError, match=f"damaged.*Received: path='.*{LAST}'"):
        restore_checkpoint(model, run / LAST)
    assert_equal_state(everything(model), before)
    assert restore_checkpoint(model, run) == 5


def test_an_error_names_no_damaged_one_as_the_last_good(run):
    """Training that ends by a NaN: a rerun goes on from what the error has named."""
    edited(run / LAST / VARIABLES, last_byte)
    assert latest_whole(run).path == checkpoint_path(run, 5)

    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            weights = self.model.encoder.get_layer("out").kernel
            weights.assign(np.full(weights.shape, np.nan))

    with (
        pytest.warns(UserWarning, match="not whole"),
        pytest.raises(FloatingPointError, match=r"last good checkpoint is .*step-0000000005\. Received: model/"),
    ):
        train(tiny(), run, callbacks=[Spoil()])

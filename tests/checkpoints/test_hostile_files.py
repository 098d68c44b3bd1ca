"""Whatever a file holds, reading it ends in values or in one error, runs nothing and takes bounded memory."""

import io
import pickle
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, read_torch
from keras_ssl.checkpoints.torch_stream import read_torch_stream
from keras_ssl.checkpoints.torch_zip import read_torch_zip
from tests.checkpoints import hostile_files, make_torch_files
from tests.checkpoints.torch_files import Raw, array_tensor, stream_file, zip_file

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="no backend has to do with it")
PLAIN = (type(None), bool, int, float, str, bytes)
REFUSED = {
    **hostile_files.both_formats(hostile_files.structures() | hostile_files.tensors()),
    **hostile_files.archives(),
}
FUZZED = 10_000


def assert_plain(value, seen):
    """Only arrays of numbers and plain values, each object looked at once."""
    if id(value) in seen or type(value) in PLAIN:
        return
    seen.add(id(value))
    if type(value) is np.ndarray:
        assert value.dtype.kind in "biuf"
        assert value.nbytes < 2**27
        return
    assert type(value) in (dict, list, tuple)
    if type(value) is dict:
        assert all(isinstance(key, str | int) for key in value)
    for item in value.values() if type(value) is dict else value:
        assert_plain(item, seen)


def test_the_tricks_work_on_python(tmp_path):
    """Otherwise it would say nothing that they fail here."""
    canary = tmp_path / "canary"
    for label, value in hostile_files.code(canary).items():
        if label.startswith("reduce_") or label in ("global", "stack_global", "inst", "obj"):
            pickle.loads(value + b".")
            assert canary.exists(), label
            canary.unlink()


@pytest.mark.parametrize("label", sorted(hostile_files.code("canary")))
def test_no_trick_runs_code(tmp_path, label):
    canary, path = tmp_path / "canary", tmp_path / "hostile.pth"
    for content in hostile_files.both_formats({label: hostile_files.code(canary)[label]}).values():
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="(state_dict|damaged).*Received: path=.*hostile.pth"):
            read_torch(path)
        assert not canary.exists()


@pytest.mark.parametrize("label", sorted(REFUSED))
def test_refused(tmp_path, label):
    path = tmp_path / "hostile.pth"
    path.write_bytes(REFUSED[label])
    with pytest.raises(CheckpointError, match="Received: path=.*hostile.pth") as error:
        read_torch(path)
    assert len(str(error.value)) < 1000


def test_what_is_shared_is_not_copied(tmp_path):
    path = tmp_path / "shared.pth"
    for content in hostile_files.both_formats(hostile_files.shared()).values():
        path.write_bytes(content)
        assert_plain(read_torch(path), set())


@pytest.mark.parametrize(
    "value, message",
    [
        (hostile_files.code("x")["global"], r"asks for 'os\.system'.*could run code.*state_dict"),
        (
            hostile_files.tensors()["too_long"],
            r"shape \(7,\) and strides \(1,\) at offset 0 reaches beyond its storage of 6",
        ),
        (hostile_files.structures()["list_in_itself"], "contains itself"),
        (hostile_files.tensors()["expanded_bomb"], r"expanded.*\.contiguous\(\)"),
        (hostile_files.code("x")["module"], r"asks for 'torch\.nn\.Linear'"),
        (hostile_files.tensors()["not_a_storage"], "pickled model"),
    ],
)
def test_messages_say_what_was_found(tmp_path, value, message):
    path = tmp_path / "hostile.pth"
    path.write_bytes(zip_file(value, {"0": hostile_files.ONES}))
    with pytest.raises(CheckpointError, match=message):
        read_torch(path)


def test_a_big_endian_stream_is_refused(tmp_path):
    path = tmp_path / "big.pth"
    path.write_bytes(stream_file({}, little_endian=False))
    with pytest.raises(CheckpointError, match="big-endian"):
        read_torch(path)


@pytest.mark.parametrize("keys", [["1"], [0], 3, [["0"]], []])
def test_a_stream_lists_each_storage_once(tmp_path, keys):
    path = tmp_path / "wrong.pth"
    ones = {"0": hostile_files.ONES}
    value = array_tensor(np.ones(6, "float32"), "0")
    path.write_bytes(stream_file(value, ones))
    read_torch(path)
    path.write_bytes(stream_file(value, ones, keys=keys))
    with pytest.raises(CheckpointError, match="storage"):
        read_torch(path)
    twice = stream_file(value, ones, keys=["0", "0"])
    path.write_bytes(twice + twice[-8 - len(hostile_files.ONES) :])
    with pytest.raises(CheckpointError, match="lists the storage '0' twice"):
        read_torch(path)


@pytest.mark.parametrize("format", ["zip", "stream"])
def test_a_truncated_file_is_refused(tmp_path, format):
    whole = (make_torch_files.DATA / f"values_{format}.pt").read_bytes()
    path = tmp_path / "part.pth"
    for length in range(0, len(whole), 29):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            read_torch(path)


def mutated(content, rng):
    """The bytes with one to four places changed, removed, doubled or moved."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(content)), rng.choice((1, 1, 2, 4, 8, 40))
        kind = rng.randrange(5)
        if kind == 0:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[at : at + length] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * length
        elif kind == 2:
            del content[at : at + length]
        elif kind == 3:
            content[at:at] = content[at : at + length]
        else:
            content[at : at + 1] = bytes([rng.choice(b".NKMJX\x8aqhrjctR\x81bQ(}])\x85\x86\x87eusa\x93\x94\x95")])
        content = content or bytearray(b".")
    return bytes(content)


def seeds():
    """Small files that hold something of every kind: PyTorch's own, and the parts of one to pack anew."""
    with zipfile.ZipFile(make_torch_files.DATA / "tiny_zip.pt") as archive:
        parts = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    storages = {key.removeprefix("data/"): content for key, content in parts.items() if key.startswith("data/")}
    whole = [(make_torch_files.DATA / f"tiny_{format}.pt").read_bytes() for format in ("zip", "stream")]
    return whole, parts["data.pkl"], storages


def test_ten_thousand_mutated_files():
    rng = random.Random(0)
    whole, pickled, storages = seeds()
    errors = 0
    for number in range(FUZZED):
        # The checksums of an archive stop nearly all mutations: its pickle is mutated before it is packed, too.
        if number % 5 == 0:
            read, content = read_torch_zip, mutated(whole[0], rng)
        elif number % 5 < 3:
            read, content = read_torch_stream, mutated(whole[1], rng)
        else:
            read, content = read_torch_zip, zip_file(Raw(mutated(pickled, rng)[2:-1]), storages)
        try:
            assert_plain(read(io.BytesIO(content)), set())
        except CheckpointError:
            errors += 1
    assert FUZZED / 2 < errors < FUZZED


READ_ALL = """
import os, resource, sys, types
from pathlib import Path

root, folder = sys.argv[1:]
sys.path.insert(0, root)
library = types.ModuleType("keras_ssl")  # without its __init__: the reader needs neither Keras nor a backend
library.__path__ = [root + "/keras_ssl"]
sys.modules["keras_ssl"] = library
from keras_ssl.checkpoints import CheckpointError, read_torch

files = sorted(Path(folder).iterdir())
events = set()
def watch(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        event = "open for writing"
    events.add(event)
sys.addaudithook(watch)
used = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
for path in files:
    try:
        read_torch(path)
        assert path.name.startswith(("heavy_", "shared_")), path
    except CheckpointError as error:
        assert not path.name.startswith(("heavy_", "shared_")), (path, error)
assert "keras" not in sys.modules and "tensorflow" not in sys.modules and "jax" not in sys.modules
print("read", len(files), sorted(events - {"open", "builtins.id", "resource.setrlimit"}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the size of a process from /proc")
def test_a_gibibyte_is_enough_and_nothing_is_imported_or_run(tmp_path):
    canary, folder = tmp_path / "canary", tmp_path / "files"
    folder.mkdir()
    contents = REFUSED | hostile_files.both_formats(hostile_files.code(canary) | hostile_files.endless())
    for kind, values in (("heavy", hostile_files.heavy()), ("shared", hostile_files.shared())):
        contents |= {f"{kind}_{label}": zip_file(value, {"0": hostile_files.ONES}) for label, value in values.items()}
    contents["heavy_members"] = hostile_files.many_members()
    for label, content in contents.items():
        (folder / label).write_bytes(content)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", READ_ALL, str(root), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.stdout == f"read {len(contents)} []\n", result.stderr
    assert not canary.exists()

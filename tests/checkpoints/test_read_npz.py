"""NumPy's archives: what NumPy writes is read as NumPy reads it, and nothing else is, without running anything."""

import io
import pickle
import random
import zipfile

import keras
import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, read_checkpoint, read_npz
from keras_ssl.checkpoints.read_npz import read_npz_members
from keras_ssl.checkpoints.zip_members import zip_members
from tests.checkpoints.hostile_files import Trick, listed_again, patched
from tests.checkpoints.test_hostile_files import assert_plain, mutated

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="no backend has to do with it")
RNG = np.random.default_rng(0)
ARRAYS = {
    "weight": RNG.normal(size=(3, 4, 2)).astype("float32"),
    "half": RNG.normal(size=7).astype("float16"),
    "double": np.asfortranarray(RNG.normal(size=(5, 3))),
    "scalar": np.array(3.5),
    "empty": np.ones((0, 4), "float32"),
    "counts": np.arange(6, dtype="int64").reshape(2, 3),
    "bytes": np.arange(6, dtype="uint8"),
    **{
        f"integers of {kind}": np.arange(3).astype(kind)
        for kind in ("int8", "int16", "uint16", "int32", "uint32", "uint64")
    },
    "flags": np.array([True, False]),
    "a/b/kernel": np.ones((2, 2), "float32"),
}


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def archive(*members, compression=zipfile.ZIP_STORED):
    """An archive of members' names and contents."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()


ONES = np.ones(3, "float32").tobytes()


def npy(header=None, numbers=ONES, version=b"\x01\x00", length=None):
    """An array's file with another header than NumPy's."""
    text = (header or "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }").encode() + b"\n"
    size = len(text) if length is None else length
    return b"\x93NUMPY" + version + size.to_bytes(2 if version == b"\x01\x00" else 4, "little") + text + numbers


def header(descr="<f4", order="False", shape="(3,)"):
    return f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"


@pytest.mark.parametrize("reader", [read_npz, read_checkpoint])
def test_it_reads_what_numpy_writes(tmp_path, reader):
    (tmp_path / "a.npz").write_bytes(npz(**ARRAYS))
    found = reader(tmp_path / "a.npz")
    assert list(found) == sorted(ARRAYS)
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == expected.dtype and found[name].dtype.isnative, name


def test_two_bytes_without_a_type_are_bfloat16(tmp_path):
    bits = np.array([0x3F80, 0xC040, 0x0000], "<u2")  # 1, -3, 0
    (tmp_path / "a.npz").write_bytes(npz(x=bits.view("V2")))
    np.testing.assert_array_equal(read_npz(tmp_path / "a.npz")["x"], np.array([1, -3, 0], "float32"))


def test_numpy_itself_would_run_what_is_refused(tmp_path):
    """Otherwise it would say nothing that it is refused."""
    canary = tmp_path / "canary"
    objects = np.array([Trick(exec, f"open({str(canary)!r}, 'w')")], dtype=object)
    (tmp_path / "a.npz").write_bytes(npz(x=objects))
    for reader in (read_npz, read_checkpoint):
        with pytest.raises(CheckpointError, match="holds objects, which are pickles.*Received: path=.*a.npz"):
            reader(tmp_path / "a.npz")
    assert not canary.exists()
    np.load(tmp_path / "a.npz", allow_pickle=True)["x"]
    assert canary.exists()


HONEST = npz(a=np.ones(50, "float32"))
HOSTILE = {
    "compressed": archive(("a.npy", npy()), compression=zipfile.ZIP_DEFLATED),
    "bomb": archive(("a.npy", npy(header(shape="(67108864,)"), bytes(2**28))), compression=zipfile.ZIP_DEFLATED),
    "encrypted": patched(HONEST, b"PK\x01\x02", 8, b"\x01"),
    "overlapping": listed_again(
        archive(("000.npy", npy(header(shape="(262144,)"), bytes(2**20)))),
        b"000.npy",
        [b"%03d.npy" % i for i in range(1, 400)],
    ),
    "pickle_beside": archive(("a.npy", npy()), ("data.pkl", pickle.dumps(1))),
    "code_in_header": archive(("a.npy", npy("__import__('os').system('touch canary')"))),
    "code_in_shape": archive(("a.npy", npy(header(shape="(3, open('canary', 'w'))")))),
    "deep_header": archive(("a.npy", npy("(" * 9000))),
    "slow_header": archive(("a.npy", npy(header(shape="(" + "1" * 9000)))),
    "slow_shape": archive(("a.npy", npy(header(shape="(" + "1, " * 3000 + "x)")))),
    "endless_header": archive(("a.npy", npy(version=b"\x02\x00", length=2**31))),
    "large_shape": archive(("a.npy", npy(header(shape="(999999999999999999, 999999999999999999)")))),
    "many_sides": archive(("a.npy", npy(header(shape="(" + "1, " * 40 + ")")))),
    "too_few": archive(("a.npy", npy(header(shape="(4,)")))),
    "too_many": archive(("a.npy", npy(header(shape="(2,)")))),
    "negative": archive(("a.npy", npy(header(shape="(-3,)")))),
    "big_endian": archive(("a.npy", npy(header(">f4")))),
    "complex": archive(("a.npy", npy(header("<c8", shape="(1,)"), bytes(8)))),
    "text": archive(("a.npy", npy(header("<U3", shape="(1,)")))),
    "dates": archive(("a.npy", npy(header("<M8", shape="(1,)"), bytes(8)))),
    "records": archive(("a.npy", npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3,), }"))),
    "no_magic": archive(("a.npy", b"NUMPY" + npy()[5:])),
    "version_9": archive(("a.npy", npy(version=b"\x09\x00"))),
    "short": archive(("a.npy", b"\x93NUM")),
    "nothing": archive(("a.npy", b"")),
    "no_members": archive(),
    "other_members": archive(("a.txt", b"")),
    "long_name": archive(("a" * 5000 + ".npy", b"")),
}


@pytest.mark.parametrize("label", HOSTILE)
def test_refused(tmp_path, monkeypatch, label):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hostile.npz").write_bytes(HOSTILE[label])
    for reader in (read_npz, read_checkpoint):
        with pytest.raises(CheckpointError, match="Received: path=.*hostile.npz") as error:
            reader(tmp_path / "hostile.npz")
        assert len(str(error.value)) < 1000
    assert not (tmp_path / "canary").exists()


def test_a_truncated_file_is_refused(tmp_path):
    for length in range(0, len(HONEST), 7):
        (tmp_path / "part.npz").write_bytes(HONEST[:length])
        with pytest.raises(CheckpointError):
            read_npz(tmp_path / "part.npz")


def test_three_thousand_mutated_files():
    rng, errors = random.Random(0), 0
    for number in range(3000):
        # The checksums of an archive stop nearly all mutations: arrays are mutated before they are packed, too.
        whole = archive(("a.npy", mutated(npy(), rng)), ("b.npy", npy())) if number % 2 else mutated(HONEST, rng)
        file = io.BytesIO(whole)
        try:
            assert_plain(read_npz_members(file, zip_members(file)), set())
        except CheckpointError:
            errors += 1
    assert 1500 < errors < 3000

import io
import struct
import zipfile

import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, read_torch
from keras_ssl.checkpoints.zip_members import zip_members
from tests.checkpoints import make_torch_files
from tests.checkpoints.hostile_files import patched

MEMBERS = {"a/data.pkl": b"some bytes", "a/data/0": bytes(range(256)) * 40, "empty": b"", "ü": b"x"}


def archive(comment=b"", **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.comment = comment
        for name, content in MEMBERS.items():
            with file.open(name, "w", **options) as member:
                member.write(content)
    return stream.getvalue()


def contents(data):
    file = io.BytesIO(data)
    return {name: member.read(file).tobytes() for name, member in zip_members(file).items()}


@pytest.mark.parametrize("comment", [b"", b"a comment", b"c" * 65535])
@pytest.mark.parametrize("large", [False, True])
def test_members_are_those_that_zipfile_wrote(comment, large):
    assert contents(archive(comment, force_zip64=large)) == MEMBERS


def test_archives_that_pytorch_wrote():
    path = make_torch_files.DATA / "values_zip.pt"
    with zipfile.ZipFile(path) as file:
        assert contents(path.read_bytes()) == {name: file.read(name) for name in file.namelist()}


def test_large_archives_say_sizes_in_64_bits(tmp_path):
    """PyTorch's archives have both ends; as in one of more than 4 GiB, only the large one says where."""
    path = tmp_path / "large.pt"
    data = (make_torch_files.DATA / "values_zip.pt").read_bytes()
    path.write_bytes(patched(data, b"PK\x05\x06", 8, b"\xff" * 12))
    expected = read_torch(make_torch_files.DATA / "values_zip.pt")["views"]
    for name, array in read_torch(path)["views"].items():
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("hidden", [(20, 24, 42), (20, 24), (42,)])
def test_large_members_say_sizes_in_64_bits(hidden):
    """The entry's numbers at these offsets stand in its extra field, as for a member beyond 4 GiB."""
    data = archive()
    entry = data.rindex(b"PK\x01\x02")
    numbers = {offset: struct.unpack_from("<L", data, entry + offset)[0] for offset in (24, 20, 42)}
    extra = b"".join(struct.pack("<Q", value) for offset, value in numbers.items() if offset in hidden)
    extra = struct.pack("<2H", 7, 3) + b"abc" + struct.pack("<2H", 1, len(extra)) + extra
    for offset in hidden:
        data = patched(data, b"PK\x01\x02", offset, b"\xff" * 4)
    data = patched(data, b"PK\x01\x02", 30, struct.pack("<H", len(extra)))
    end = data.rindex(b"PK\x05\x06")
    size = struct.unpack_from("<L", data, end + 12)[0] + len(extra)
    data = patched(data[:end] + extra + data[end:], b"PK\x05\x06", 12, struct.pack("<L", size))
    assert contents(data) == MEMBERS


def test_an_archive_without_members():
    assert zip_members(io.BytesIO(b"PK\x05\x06" + bytes(18))) == {}


def test_a_damaged_member_is_named():
    data = archive().replace(b"some bytes", b"SOME bytes")
    with pytest.raises(CheckpointError, match=r"b'a/data.pkl'.*wrong bytes.*damaged"):
        contents(data)

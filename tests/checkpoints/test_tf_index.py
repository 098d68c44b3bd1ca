"""Odd indexes of TensorFlow checkpoints, at which TensorFlow would end the process."""

import keras
import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, read_checkpoint, read_tf_variables
from tests.checkpoints.tf_tables import MAGIC, block, entry, field, header, masked, table, varint

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs TensorFlow")
DATA = np.arange(6, dtype="<f4").tobytes()
GOOD = entry(crc=masked(DATA))


def write(folder, items=None, content=None, **how):
    index = table([(b"", header()), (b"a", GOOD)] if items is None else items, **how) if content is None else content
    (folder / "model.index").write_bytes(index)
    (folder / "model.data-00000-of-00001").write_bytes(DATA)
    return folder / "model"


def test_a_table_written_here_is_one_that_tensorflow_reads(tmp_path):
    """Else the hostile ones would be refused for other reasons."""
    read = read_tf_variables(write(tmp_path))
    np.testing.assert_array_equal(read["a"], np.arange(6, dtype="float32").reshape(2, 3))


def _slice(*extents):
    parts = (b"" if extent is None else field(1, extent[0]) + field(2, extent[1]) for extent in extents)
    return field(7, b"".join(field(1, part) for part in parts))


HOSTILE = {
    "dimension -1": entry(sizes=(-1,)),
    "dimension -2": entry(sizes=(-2,)),
    "two negative dimensions": entry(sizes=(-2, -3)),
    "product beyond 64 bits": entry(sizes=(2**40, 2**40)),
    "product of 2^63": entry(sizes=(2**32, 2**31)),
    "a zero hides it": entry(sizes=(2**40, 2**40, 0), size=0),
    "dimension of 2^63 - 1": entry(sizes=(2**63 - 1,)),
    "rank 255": entry(sizes=(1,) * 255, size=4),
    "rank 300": entry(sizes=(1,) * 300, size=4),
    "rank 33": entry(sizes=(1,) * 33, size=4),
    "unknown rank": entry(rank=False),
    "reference type": entry(dtype=101),
    "type 0": entry(dtype=0),
    "type 77": entry(dtype=77),
    "type -1": entry(dtype=-1),
    "text of dimension -4": entry(dtype=7, sizes=(-4,)),
    "text of 2^36 strings": entry(dtype=7, sizes=(2**36,)),
    "resource of dimension -4": entry(dtype=20, sizes=(-4,)),
    "variant of rank 300": entry(dtype=21, sizes=(1,) * 300),
    "too few bytes": entry(size=20),
    "too many bytes": entry(size=28),
    "negative size": entry(size=-24),
    "negative offset": entry(offset=-1),
    "beyond the file": entry(offset=4),
    "far beyond the file": entry(offset=2**62),
    "shard 1 of 1": entry(shard=1),
    "shard -1": entry(shard=-1),
    "slice of another rank": entry(size=0, extra=_slice((0, 2))),
    "slice before the start": entry(size=0, extra=_slice((-1, 2), None)),
    "slice of length -2": entry(size=0, extra=_slice((0, -2), None)),
    "slice beyond the end": entry(size=0, extra=_slice((1, 2), None)),
    "slices of a huge tensor": entry(size=0, sizes=(2**40,), extra=_slice((0, 1))),
    "no message": b"\xff\xff\xff",
    "no message either": field(2, b"\xff"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", [b"a", b"_CHECKPOINTABLE_OBJECT_GRAPH"], ids=["variable", "graph"])
def test_an_odd_entry_is_an_error(tmp_path, name, key):
    path = write(tmp_path, [(b"", header()), (key, HOSTILE[name])])
    with pytest.raises(CheckpointError, match="Received: path="):
        read_checkpoint(path)


TABLES = {
    "no header": {"items": [(b"a", GOOD)]},
    "nothing": {"items": []},
    "no files": {"items": [(b"", header(shards=0)), (b"a", GOOD)]},
    "files without end": {"items": [(b"", header(shards=2**31 - 1)), (b"a", GOOD)]},
    "-1 files": {"items": [(b"", header(shards=-1)), (b"a", GOOD)]},
    "big-endian": {"items": [(b"", header(endianness=1)), (b"a", GOOD)]},
    "header is no message": {"items": [(b"", b"\xff"), (b"a", GOOD)]},
    "one name twice": {"items": [(b"", header()), (b"a", GOOD), (b"a", GOOD)]},
    "names not in order": {"items": [(b"", header()), (b"b", GOOD), (b"a", GOOD)]},
    "shared with nothing": {"counts": (3, 0, 2)},
    "beyond the block": {"counts": (0, 0, 2**20)},
    "more than 32 bits": {"counts": (0, 2**40, 0)},
    "restart inside an entry": {"restarts": (0, 3)},
    "restart beyond the end": {"restarts": (2**31,)},
    "no restart": {"restarts": ()},
    "compressed": {"kind": 1},
    "unknown compression": {"kind": 9},
    "block beyond the file": {"handle": (0, 10**6)},
    "block far beyond the file": {"handle": (2**62, 10)},
    "block of no bytes": {"handle": (0, 0)},
    "one tensor's bytes twice": {"items": [(b"", header()), (b"a", GOOD), (b"b", GOOD)]},
    "only the end": {"content": MAGIC},
    "zeros": {"content": bytes(100) + MAGIC},
    "ones": {"content": b"\xff" * 100 + MAGIC},
    "a number without an end": {"content": block([]) + b"\x80" * 40 + MAGIC},
}


@pytest.mark.parametrize("name", TABLES)
def test_an_odd_table_is_an_error(tmp_path, name):
    path = write(tmp_path, **TABLES[name])
    with pytest.raises(CheckpointError, match="Received: path="):
        read_tf_variables(path)


def test_blocks_that_overlap_are_an_error(tmp_path):
    """One block that stands many times in the index would be read as often."""
    body = block([(b"", header()), (b"a", GOOD)])
    content = body + b"\0" + masked(body + b"\0").to_bytes(4, "little")
    place = varint(0) + varint(len(body))
    index = block([(bytes([number]), place) for number in range(1, 100)])
    start = len(content)
    content += index + b"\0" + masked(index + b"\0").to_bytes(4, "little")
    footer = (varint(start) + varint(len(index))) * 2
    path = write(tmp_path, content=content + footer.ljust(40, b"\0") + MAGIC)
    with pytest.raises(CheckpointError, match="overlap|not in order"):
        read_tf_variables(path)


def test_data_that_is_no_file_is_not_waited_for(tmp_path):
    import os

    path = write(tmp_path)
    data = tmp_path / "model.data-00000-of-00001"
    data.unlink()
    os.mkfifo(data)
    with pytest.raises(CheckpointError, match="FIFO.*Received: path="):
        read_tf_variables(path)


def test_a_bit_turned_anywhere_never_ends_the_process(tmp_path):
    good = table([(b"", header()), (b"a", GOOD)])
    for place in range(len(good)):
        for bit in (1, 128):
            content = bytearray(good)
            content[place] ^= bit
            path = write(tmp_path, content=bytes(content))
            try:
                read_tf_variables(path)
            except CheckpointError:
                pass

"""TFRecord shards: the batches of the folder that they were made of, and faults that are named."""

import json

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
pytest.importorskip("PIL.Image")

from keras_ssl.data import from_folder, from_tfrecords, write_tfrecords  # noqa: E402
from keras_ssl.data.record_format import checksums  # noqa: E402


@pytest.fixture
def shards(tmp_path, write_images):
    write_images(tmp_path / "photos" / "a", 12, "jpg")
    write_images(tmp_path / "photos" / "b", 9, size=(7, 9), first=100)
    write_tfrecords(tmp_path / "photos", tmp_path / "shards", shards=4)
    return tmp_path / "shards"


def example(**fields):
    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    features = {name: feature(value) for name, value in fields.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write(path, records, options=None):
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for record in records:
            writer.write(record)


def image(level):
    return tf.io.encode_png(np.full((4, 4, 3), level, np.uint8)).numpy()


def assert_equal_batches(got, expected):
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        assert got[key].dtype == value.dtype
        np.testing.assert_array_equal(got[key], value)


def test_batches_are_those_of_the_folder_bit_for_bit(tmp_path, shards):
    folder = from_folder(tmp_path / "photos", size=5, batch_size=4, seed=3)
    records = from_tfrecords(shards, size=5, batch_size=4, seed=3)
    assert records.class_names == ("a", "b") and len(records) == len(folder) == 5
    assert records.source.counts.tolist() == [6, 5, 5, 5]
    for _ in range(2):
        for number in range(5):
            assert_equal_batches(records[number], folder[number])
        folder.on_epoch_end(), records.on_epoch_end()
    # In the middle of an epoch, by an object that has read nothing before.
    resumed = from_tfrecords(shards, size=5, batch_size=4, seed=3, epoch=2)
    resumed.first_batch = folder.first_batch = 3
    assert_equal_batches(resumed[1], folder[1])


def test_the_number_of_shards_changes_nothing(tmp_path, shards):
    write_tfrecords(tmp_path / "photos", tmp_path / "one", shards=1)
    several, one = (from_tfrecords(path, size=4, batch_size=21) for path in (shards, tmp_path / "one"))
    assert_equal_batches(several[0], one[0])


def test_records_of_other_programs(tmp_path):
    """Shards as tensorflow_datasets makes them: no `index`, and more behind the suffix."""
    for shard in range(2):
        records = [example(image=image(10 * shard + i), label=i, id=b"name") for i in range(3)]
        write(tmp_path / f"set-train.tfrecord-0000{shard}-of-00002", records)
    data = from_tfrecords(tmp_path, size=4, batch_size=6, shuffle=False)
    assert data.class_names == ()
    np.testing.assert_array_equal(data[0]["x"][:, 0, 0, 0], [0, 1, 2, 10, 11, 12])
    np.testing.assert_array_equal(data[0]["y"], [0, 1, 2] * 2)
    files = sorted(tmp_path.iterdir(), reverse=True)
    np.testing.assert_array_equal(
        from_tfrecords(files, size=4, batch_size=2, shuffle=False)[0]["x"][:, 0, 0, 0], [10, 11]
    )
    write(tmp_path / "bare.tfrecord", [example(image=image(i)) for i in range(2)])
    pattern = str(tmp_path / "ba*.tfrecord")
    assert sorted(from_tfrecords(pattern, size=4, batch_size=2)[0]) == ["index", "x"]


@pytest.mark.filterwarnings("ignore:Skipped damaged")
def test_a_record_that_is_no_image_is_named_and_replaced(tmp_path):
    path = tmp_path / "a.tfrecord"
    write(path, [example(image=b"nothing" if i == 2 else image(i)) for i in range(120)])
    data = from_tfrecords(path, size=4, batch_size=4, shuffle=False)
    with pytest.warns(UserWarning, match="a.tfrecord, record 2"):
        batch = data[0]
    np.testing.assert_array_equal(batch["index"], [0, 1, 3, 3])
    np.testing.assert_array_equal(batch["x"][:, 0, 0, 0], [0, 1, 3, 3])


def test_checksums_are_those_of_tensorflow(tmp_path):
    write(tmp_path / "a", [b"x" * n for n in (1, 300, 70000)])
    raw, place = (tmp_path / "a").read_bytes(), 0
    for n in (1, 300, 70000):
        header = np.frombuffer(raw[place : place + 12], np.uint8)
        assert checksums(header[np.newaxis, :8])[0] == header[8:].view("<u4")[0]
        place += n + 16


def truncate(shards):
    shard = sorted(shards.glob("*.tfrecord"))[1]
    shard.write_bytes(shard.read_bytes()[:-20])


def cut_header(shards):
    shard = sorted(shards.glob("*.tfrecord"))[1]
    shard.write_bytes(shard.read_bytes() + b"1234")


def flip(position):
    def damage(shards):
        shard = sorted(shards.glob("*.tfrecord"))[1]
        content = bytearray(shard.read_bytes())
        content[position] ^= 1
        shard.write_bytes(content)

    return damage


def lose(shards):
    sorted(shards.glob("*.tfrecord"))[1].unlink()


def lose_silently(shards):
    lose(shards)
    (shards / "dataset.json").unlink()


def compress(shards):
    (shards / "dataset.json").unlink()
    write(shards / "images-00001-of-00004.tfrecord", [b"a"], "GZIP")


def rewrite(record):
    def change(shards):
        (shards / "dataset.json").unlink()
        write(shards / "images-00000-of-00004.tfrecord", [record])

    return change


def damage_summary(shards):
    (shards / "dataset.json").write_text('{"count": 3}')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (truncate, r"truncated: after 4 whole records. Received: .*images-00001-of-00004.tfrecord of \d+ bytes"),
        (cut_header, r"truncated: after 5 whole records. Received: .*00001"),
        (flip(0), r"damaged: record 0, at byte 0,.*Received: .*00001"),
        (flip(9), r"damaged: record 0, at byte 0,.*Received: .*00001"),
        (lose, r"dataset.json.*images-00001-of-00004.tfrecord with 5 records, and not none. Received: path=.*shards'"),
        (lose_silently, r"record 0 of .*00002-of-00004.tfrecord says that it is image 11, and is 6.*Received: path="),
        (compress, r"must not be compressed.*Received: .*00001"),
        (rewrite(b"no example"), r"must be tf.train.Example. Received: .*00000"),
        (rewrite(example(picture=b"")), r"in the field 'image'. Received: .*00000.* with the fields \['picture'\]"),
        (damage_summary, r"dataset.json beside the shards is damaged.*Received: .*dataset.json"),
    ],
)
def test_faults_are_named(shards, change, message):
    change(shards)
    with pytest.raises(ValueError, match=message):
        from_tfrecords(shards, size=4, batch_size=4)


def test_all_bytes_can_be_verified(shards):
    from_tfrecords(shards, size=4, batch_size=4, verify=True)
    flip(100)(shards)
    from_tfrecords(shards, size=4, batch_size=4)
    with pytest.raises(ValueError, match=r"A record of a shard is damaged.*Received: .*00001-of-00004"):
        from_tfrecords(shards, size=4, batch_size=4, verify=True)


def test_a_shard_that_changes_while_it_is_read(shards):
    data = from_tfrecords(shards, size=4, batch_size=21)
    truncate(shards)
    with pytest.raises(ValueError, match=r"shorter than when it was opened. Received: .*00001"):
        data[0]
    lose(shards)
    with pytest.raises(ValueError, match=r"no longer be read \(No such file.*Received: .*00001"):
        data[0]


def test_missing_files(tmp_path, shards):
    for path in (tmp_path / "photos", str(shards / "*.record"), tmp_path / "none", []):
        with pytest.raises(ValueError, match=r"`path` must be a folder with \*.tfrecord files.*Received: path="):
            from_tfrecords(path, size=4)
    with pytest.raises(ValueError, match=r"`path` names a file that is not there.*Received: path with .*none'"):
        from_tfrecords([sorted(shards.glob("*.tfrecord"))[0], tmp_path / "none"], size=4)
    write(tmp_path / "empty.tfrecord", [])
    with pytest.raises(ValueError, match=r"shards that hold records. Received: path=.*empty"):
        from_tfrecords(tmp_path / "empty.tfrecord", size=4)
    with pytest.raises(ValueError, match=r"number of samples \(21\).*Received: batch_size=256"):
        from_tfrecords(shards, size=4)


def test_workers_read_their_part_only(shards, monkeypatch):
    whole, parts = from_tfrecords(shards, size=4, batch_size=6, seed=1), []
    for worker in range(2):
        part = from_tfrecords(shards, size=4, batch_size=6, seed=1)
        part.take_part(worker, 2)
        read, feed = [], part.source.feed
        monkeypatch.setattr(part.source, "feed", lambda some, to=read, feed=feed: to.extend(some) or feed(some))
        parts.append([part[number] for number in range(3)])
        assert len(read) == len(set(read)) == 9  # decoded nowhere else
    for number in range(3):
        both = {key: np.concatenate([part[number][key] for part in parts]) for key in ("x", "y", "index")}
        assert_equal_batches(both, whole[number])


class TestWriting:
    def test_bytes_and_fields_are_kept(self, tmp_path, shards):
        files = from_folder(tmp_path / "photos", size=4, batch_size=4).files
        records = [
            tf.train.Example.FromString(record)
            for shard in sorted(shards.glob("*.tfrecord"))
            for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
        ]
        for number, (file, record) in enumerate(zip(files, records, strict=True)):
            fields = record.features.feature
            assert fields["image"].bytes_list.value[0] == (tmp_path / "photos" / file).read_bytes()
            assert fields["index"].int64_list.value[0] == number
            assert fields["label"].int64_list.value[0] == (number >= 12)
        summary = json.loads((shards / "dataset.json").read_text())
        assert summary["count"] == 21 and summary["class_names"] == ["a", "b"]
        assert list(summary["shards"].values()) == [6, 5, 5, 5]

    def test_without_labels(self, tmp_path, shards):
        write_tfrecords(tmp_path / "photos", tmp_path / "bare", shards=2, labelled=False)
        assert sorted(from_tfrecords(tmp_path / "bare", size=4, batch_size=4)[0]) == ["index", "x"]

    def test_what_is_there_is_not_replaced(self, tmp_path, shards):
        before = sorted(path.name for path in shards.iterdir())
        with pytest.raises(ValueError, match=r"`path` must not be there yet.*Received: path=.*shards'"):
            write_tfrecords(tmp_path / "photos", shards, shards=2)
        assert sorted(path.name for path in shards.iterdir()) == before

    @pytest.mark.parametrize("shards_wanted", [0, 22, 1.5])
    def test_number_of_shards(self, tmp_path, shards, shards_wanted):
        with pytest.raises(ValueError, match=f"`shards`.*Received: shards={shards_wanted}"):
            write_tfrecords(tmp_path / "photos", tmp_path / "new", shards=shards_wanted)
        assert not (tmp_path / "new").exists()

    def test_an_interruption_leaves_nothing(self, tmp_path, shards, monkeypatch):
        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pathlib.Path.write_text", full)
        with pytest.raises(OSError, match="No space"):
            write_tfrecords(tmp_path / "photos", tmp_path / "new", shards=2)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "shards"]
        monkeypatch.undo()
        (tmp_path / "new").mkdir()
        write_tfrecords(tmp_path / "photos", tmp_path / "new", shards=2)  # an empty folder is no hindrance
        assert len(list((tmp_path / "new").iterdir())) == 3


@pytest.mark.once
@pytest.mark.parametrize("sizes", [(1, 5000), (8000, 8400), (1, 60_000)])
def test_records_of_any_sizes_are_found(tmp_path, sizes):
    from keras_ssl.data.image_records import _places

    lengths = np.random.default_rng(0).integers(*sizes, 700)
    lengths[::97] = 0
    shard = str(tmp_path / "a.tfrecord")
    with tf.io.TFRecordWriter(shard) as writer:
        for number, length in enumerate(lengths):
            writer.write(bytes([number % 256]) * int(length))
    places = _places(shard)
    np.testing.assert_array_equal(places[:, 1], lengths)
    content = open(shard, "rb").read()
    for number, (start, length) in enumerate(places):
        assert content[start : start + length] == bytes([number % 256]) * int(length)
    for cut in (5, 3 + int(lengths[-1])):
        with open(shard, "wb") as file:
            file.write(content[:-cut])
        with pytest.raises(ValueError, match="truncated: after 699 whole records"):
            _places(shard)

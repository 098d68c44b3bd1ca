"""Event files read back by TensorBoard's own reader."""

import io
import shutil
import time
from itertools import count

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.util.tensor_util import make_ndarray

from keras_ssl.callbacks import event_writer
from keras_ssl.callbacks.event_writer import EventWriter, check_local_folder, encode_png
from keras_ssl.data.utf8_name import utf8_name


def events(folder):
    (path,) = folder.glob("events.out.tfevents.*")
    return list(EventFileLoader(str(path)).Load())


def test_files_of_one_second_are_named_in_the_order_in_which_they_were_made(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1.7e9)
    monkeypatch.setattr(event_writer, "_FILES", count(9))
    made = []
    for _ in range(3):
        EventWriter(tmp_path).close()
        made += [path.name for path in tmp_path.iterdir() if path.name not in made]
    assert len(made) == 3 and made == sorted(made)


def written(folder, write):
    """The only value that `write` gives a new writer to write, and its step."""
    writer = EventWriter(folder)
    write(writer)
    writer.close()
    first, event = events(folder)
    assert first.file_version == "brain.Event:2"
    (value,) = event.summary.value
    return value, event.step


def test_scalar(tmp_path):
    value, step = written(tmp_path, lambda writer: writer.scalar("epoch/loss", 0.1, step=7))
    assert (value.tag, step, value.metadata.plugin_data.plugin_name) == ("epoch/loss", 7, "scalars")
    assert make_ndarray(value.tensor) == np.float32(0.1)


def test_image_is_pixel_for_pixel_the_same(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    value, step = written(tmp_path, lambda writer: writer.image("views", pixels, step=2, description="Left."))
    width, height, png = make_ndarray(value.tensor)
    assert (width, height, step) == (b"7", b"5", 2)
    assert value.metadata.summary_description == "Left." and value.metadata.plugin_data.plugin_name == "images"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), pixels)
    assert encode_png(pixels) == png


def test_histogram(tmp_path):
    value, _ = written(tmp_path, lambda writer: writer.histogram("h", np.array([0, 1, 4]), np.array([0.5, 2]), step=0))
    np.testing.assert_array_equal(make_ndarray(value.tensor), [[0, 1, 0.5], [1, 4, 2]])
    assert value.metadata.plugin_data.plugin_name == "histograms"


def test_settings_keep_their_types(tmp_path):
    value, _ = written(tmp_path, lambda writer: writer.hparams({"a": True, "b": 2, "c": 0.5, "d": "x"}))
    assert value.tag == hparams.SESSION_START_INFO_TAG
    found = hparams.parse_session_start_info_plugin_data(value.metadata.plugin_data.content).hparams
    kinds = {
        name: (field.WhichOneof("kind"), getattr(field, field.WhichOneof("kind"))) for name, field in found.items()
    }
    expected = {"a": ("bool_value", True), "b": ("number_value", 2.0), "c": ("number_value", 0.5)}
    assert kinds == {**expected, "d": ("string_value", "x")}


@pytest.mark.parametrize("name", ["caf\udce9", "a\ud800"])
def test_names_that_are_no_utf8_do_not_end_a_run(tmp_path, name):
    value, _ = written(tmp_path, lambda writer: writer.hparams({name: name, "rate": 0.5}))
    found = hparams.parse_session_start_info_plugin_data(value.metadata.plugin_data.content).hparams
    assert found[utf8_name(name)].string_value == utf8_name(name)


def test_a_metric_whose_name_is_no_utf8(tmp_path):
    value, _ = written(tmp_path, lambda writer: writer.scalar("caf\udce9", 0.5, 1))
    assert value.tag == "caf\\xe9"


def test_what_is_flushed_can_be_read_before_the_end(tmp_path):
    writer = EventWriter(tmp_path)
    writer.scalar("loss", 1.0, step=0)
    writer.flush()
    assert len(events(tmp_path)) == 2
    writer.close()


def test_two_writers_share_a_folder(tmp_path):
    for _ in range(2):
        EventWriter(tmp_path).close()
    assert len(list(tmp_path.glob("events.*"))) == 2


def test_files_come_in_order_when_the_clock_goes_back(tmp_path, monkeypatch):
    (tmp_path / "events.out.tfevents.notes").touch()
    made = []
    for now, first in ((1.7e9, 3), (1.7e9 - 86400, 0), (1.7e9 - 86400, 0), (1.7e9 + 0.5, 0), (1.8e9, 0)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        monkeypatch.setattr(event_writer, "_FILES", count(first))  # as in a new process
        EventWriter(tmp_path).close()
        made += sorted(path.name for path in tmp_path.glob("*.0*") if path.name not in made)
    assert len(made) == 5 and made == sorted(made)


class FullDisk:
    """Stands in for the file system: files take so many bytes."""

    def __init__(self, room):
        self.room = room

    def open(self, path, mode="r", **options):
        file = open(path, mode, **options)
        if mode != "r+b":
            return file
        write = file.write

        class File:
            def __enter__(self):
                return self

            def __exit__(self, *error):
                file.close()

            def __getattr__(self, name):
                return getattr(file, name)

            def write(_, content):
                if self.room == 0:
                    raise OSError(28, "No space left on device")
                done = write(content[: self.room])
                self.room -= done
                return done

        return File()


def test_a_full_disk_is_said_once_and_what_waits_is_written_later(tmp_path, monkeypatch):
    writer = EventWriter(tmp_path)
    disk = FullDisk(room=100)  # less than two records
    monkeypatch.setattr(event_writer, "open", disk.open, raising=False)
    with pytest.warns(UserWarning, match=r"cannot be written: .*events.out.*\(No space left on device\)") as said:
        for step in range(500):
            writer.scalar("loss", step, step)
            if step % 10 == 9:
                writer.flush()
    assert len(said) == 1
    assert len(events(tmp_path)) == 1  # no half of a record, at which a reader would stop for good
    disk.room = 10**9
    writer.scalar("loss", 500, 500)
    writer.close()
    assert [event.step for event in events(tmp_path)[1:]] == list(range(501))


def test_what_waits_has_a_bound(tmp_path, monkeypatch):
    writer = EventWriter(tmp_path)
    monkeypatch.setattr(event_writer, "open", FullDisk(room=0).open, raising=False)
    monkeypatch.setattr(event_writer, "_MOST_WAITING", 1000)
    with pytest.warns(UserWarning, match="cannot be written"):
        for step in range(100):
            writer.scalar("loss", step, step)
            writer.flush()
    assert writer._waiting.tell() <= 1000
    writer.close()


def test_a_folder_that_is_gone_is_made_again(tmp_path):
    writer = EventWriter(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    writer.scalar("loss", 0.5, 3)
    writer.close()
    assert [event.step for event in events(tmp_path / "run")] == [3]


def test_a_folder_that_cannot_be_made_ends_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match=r"cannot be written: .*file.run \(Not a directory\)"):
        writer = EventWriter(tmp_path / "file" / "run")
        writer.scalar("loss", 0.5, 3)
        writer.close()


def test_names_that_are_not_utf8(tmp_path):
    value, _ = written(tmp_path / "a", lambda writer: writer.scalar("loss\udce9", 0.5, step=0))
    assert value.tag == "loss\\xe9"
    value, _ = written(tmp_path / "b", lambda writer: writer.hparams({"\udce9": "\ud800"}))
    found = hparams.parse_session_start_info_plugin_data(value.metadata.plugin_data.content).hparams
    assert {name: field.string_value for name, field in found.items()} == {"\\xe9": "\\ud800"}


def test_addresses_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="`log_dir` must be a folder of this machine. Received: log_dir='gs://runs'"):
        check_local_folder("log_dir", "gs://runs")
    with pytest.raises(ValueError, match="Received: folder='s3://runs'"):
        EventWriter("s3://runs")
    assert list(tmp_path.iterdir()) == []

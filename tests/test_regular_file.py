"""What is opened by a name is a regular file, or an error comes at once."""

import os
import socket

import pytest

from keras_ssl import regular_file
from keras_ssl.regular_file import open_regular, read_regular


def test_files_and_links_to_them_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to("a")
    assert read_regular(tmp_path / "b", 3) == b"abc"
    with open_regular(str(tmp_path / "a"), limit=3) as file:
        assert file.read() == b"abc"


def _strange(folder, kind):
    path = folder / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        path.symlink_to(f"/dev/{kind}")
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [("fifo", "FIFO"), ("folder", "folder"), ("socket", "socket"), ("zero", "device"), ("null", "device")],
)
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_refused_at_once(tmp_path, monkeypatch, kind, words, linked):
    monkeypatch.chdir(tmp_path)  # the names of sockets must be short
    path = _strange(type(tmp_path)(), kind)
    if linked:
        (tmp_path / "link").symlink_to(tmp_path / kind)
        path = tmp_path / "link"
    for read in (open_regular, lambda path: read_regular(path, 10)):
        with pytest.raises(OSError, match=words):
            read(path)


def test_a_fifo_that_takes_the_place_of_a_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    stat = os.stat

    def exchange(name):
        found = stat(name)
        os.remove(path)
        os.mkfifo(path)
        return found

    monkeypatch.setattr(regular_file.os, "stat", exchange)
    with pytest.raises(OSError, match="FIFO"):
        open_regular(path)


def test_no_descriptor_stays_open(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(OSError, match="more than 2"):
            open_regular(tmp_path / "a", limit=2)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "\ud800", "nothing", ""])
def test_names_that_no_file_has_are_an_oserror(tmp_path, name):
    with pytest.raises(OSError):
        open_regular(tmp_path / "x" / name)


def test_a_file_whose_size_is_not_known_is_bounded_as_it_is_read():
    assert os.stat("/proc/self/maps").st_size == 0
    with pytest.raises(OSError, match="more than 10 bytes"):
        read_regular("/proc/self/maps", 10)

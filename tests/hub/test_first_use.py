import json
import os
from dataclasses import replace

import pytest

from keras_ssl.hub import download, fetch, http_source
from tests.hub.downloads import CONTENT, NAME, SHA256, damage, fails, leftovers, without_backend
from tests.hub.faulty_server import Fault

pytestmark = without_backend


def test_the_first_use_decides(server, file, target):
    file = replace(file, sha256="first-use")
    fetch(file, progress=False)
    (lock,) = leftovers(target)
    table = json.loads((target.parent / lock).read_text())
    assert lock.endswith(".lock") and table == {"url": file.url, "size": file.size, "sha256": SHA256}
    target.unlink()
    server.files[f"/{NAME}"] = CONTENT[::-1]
    message = fails(file, f"which must be {SHA256}")
    assert lock in message and "delete" in message and not target.exists()
    target.write_bytes(CONTENT[::-1])
    fails(file, f"which must be {SHA256}")
    server.files[f"/{NAME}"] = CONTENT
    assert fetch(file, progress=False).read_bytes() == CONTENT


def test_a_first_use_may_be_required_not_to_be(server, file, target):
    with pytest.raises(ValueError, match="no full sha256.*Received: require_hash=True, file="):
        fetch(replace(file, sha256="first-use"), require_hash=True)
    assert server.paths == [] and not target.parent.exists()
    assert fetch(file, require_hash=True, progress=False) == target


def test_a_file_put_there_by_hand_is_a_first_use(server, file, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT)
    file = replace(file, sha256="first-use")
    assert fetch(file, progress=False) == target and server.paths == [] and len(leftovers(target)) == 1
    damage(target, "flip")
    assert fetch(file, progress=False).read_bytes() == CONTENT and len(server.paths) == 1


def test_of_an_unknown_size_all_that_the_server_announces_must_come(server, file, target, capsys):
    file = replace(file, sha256="first-use", size=None)
    server.script = [Fault(cut=100_000)]
    assert fetch(file).read_bytes() == CONTENT and server.ranges == [None, "bytes=100000-"]
    assert "Downloading tiny/encoder.safetensors: 65,536 bytes" in capsys.readouterr().err
    (lock,) = leftovers(target)
    assert json.loads((target.parent / lock).read_text()) == {"url": file.url, "size": 300_000, "sha256": SHA256}
    assert fetch(file, progress=False) == target and len(server.paths) == 2
    damage(target, "cut")
    assert fetch(file, progress=False).read_bytes() == CONTENT and len(server.paths) == 3
    target.unlink()
    server.script = [Fault(body=CONTENT, headers={"Content-Length": ""})]
    message = fails(file, "does not say how many bytes the file has")
    assert "tiny/encoder.safetensors (size unknown, sha256" in message and not target.exists()


@pytest.mark.parametrize(
    "fault, match",
    [
        (Fault(body=b"<html><title>Log in</title>", headers={"Content-Type": "text/html"}), "a web page .text/html"),
        (Fault(status=302, headers={"Location": "http://example.invalid/x"}), "which is not https"),
        (Fault(status=404), "404 Not Found"),
        (Fault(status=204), "204 No Content"),
        (Fault(cut=0), "ended after 0 of|connection broke"),
    ],
    ids=["page", "redirect", "missing", "empty", "cut"],
)
def test_what_is_not_the_file_is_no_first_use(server, file, target, fault, match):
    server.script = [fault] * 20
    fails(replace(file, sha256="first-use", size=None), match)
    assert not target.exists() and leftovers(target) == []


def test_a_folder_may_give_a_file_of_unknown_size(server, file, target, tmp_path):
    (tmp_path / "zoo" / NAME).parent.mkdir(parents=True)
    (tmp_path / "zoo" / NAME).write_bytes(CONTENT)
    file = replace(file, sha256="first-use", size=None)
    assert fetch(file, mirrors=[tmp_path / "zoo"], progress=False).read_bytes() == CONTENT and server.paths == []


@pytest.mark.parametrize("text", ["", "{", '{"url": "", "sha256": ""}', "[]", "\xff"])
def test_a_damaged_lock_file_is_not_passed_over(server, file, target, text):
    file = replace(file, sha256="first-use")
    fetch(file, progress=False)
    (target.parent / leftovers(target)[0]).write_text(text, encoding="latin-1")
    fails(file, "lock file .* is damaged.*delete the lock file. Received: path=")


def test_of_two_first_uses_at_once_one_decides(server, file, target, monkeypatch):
    file = replace(file, sha256="first-use")
    real = http_source.read_url

    def beaten(url, size, stream, bar):
        real(url, size, stream, bar)
        monkeypatch.setattr(download, "read_url", real)
        server.files[f"/{NAME}"] = CONTENT[::-1]
        fetch(file, progress=False)  # as another process would, meanwhile, and it gets another file

    monkeypatch.setattr(download, "read_url", beaten)
    monkeypatch.setattr("keras_ssl.hub.advisory_lock.fcntl", None)
    fails(file, "which was recorded meanwhile")
    assert target.read_bytes() == CONTENT[::-1]


def test_a_lock_file_that_cannot_be_opened_is_not_called_damaged(server, file, target):
    file = replace(file, sha256="first-use")
    fetch(file, progress=False)
    lock = target.parent / leftovers(target)[0]
    lock.unlink()
    os.mkfifo(lock)
    text = fails(file, r"cannot be read \(Not a regular file but a FIFO\). Received: path=")
    assert "delete" not in text

import errno
import hashlib
import io
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import keras_ssl
from keras_ssl.hub import download, fetch
from keras_ssl.hub.download import LEFTOVER_AGE
from keras_ssl.hub.download_error import SourceError
from tests.hub.downloads import CONTENT, NAME, SHA256, fails, leftovers, without_backend
from tests.hub.faulty_server import Fault
from tests.mounting import before_command

pytestmark = without_backend

# A child process that loads the modules of downloads alone, without Keras: it starts in a fifth of a second.
CHILD = """
import sys, types
for name, folder in (("keras_ssl", sys.argv[1]), ("keras_ssl.hub", sys.argv[1] + "/hub")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from keras_ssl.hub import download
from keras_ssl.hub.card_file import CardFile
size = None if sys.argv[3] == "None" else int(sys.argv[3])
file = CardFile(sys.argv[2], size, sys.argv[4], sys.argv[5])
"""


def child(file, code, before=(), **options):
    """A process that has `file` and runs `code`, started by the command `before`, if there is one."""
    package = str(Path(keras_ssl.__file__).parent)
    arguments = [package, file.name, str(file.size), file.sha256, file.url]
    return subprocess.Popen([*before, sys.executable, "-c", CHILD + code, *arguments], text=True, **options)


def on_mounted(folder, options, file, code):
    """What `code` prints while `folder` is mounted so, which that process alone sees."""
    process = child(file, code, before_command(folder, options), stdout=subprocess.PIPE)
    return process.communicate(timeout=60)[0]


def test_a_file_is_downloaded_once(server, file, target):
    assert fetch(file, progress=False) == target and target.read_bytes() == CONTENT
    assert fetch(file, progress=False) == target
    assert server.ranges == [None] and leftovers(target) == []


def test_a_cache_and_a_name_may_be_in_any_script(server, file, tmp_path):
    server.files["/%C3%A4%20%E5%AD%97/w.npz"] = CONTENT
    file = replace(file, name="ä 字/w.npz")
    path = fetch(file, tmp_path / "Ж x", mirrors=[server.address + "/"], progress=False)
    assert path == tmp_path / "Ж x" / "ä 字" / "w.npz" and path.read_bytes() == CONTENT


def test_addresses_are_checked_before_any_work(server, file, target):
    for mirror in ("http://example.org/zoo", "ftp://example.org", "file:///zoo", "https://me:secret@example.org"):
        with pytest.raises(ValueError, match="A mirror must be a folder, or an address of https") as caught:
            fetch(file, mirrors=[mirror])
        assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="`file` must have a url. Received: file="):
        fetch(replace(file, url=None))
    with pytest.raises(ValueError, match="`mirrors` must be a list.*Received: mirrors='/zoo'"):
        fetch(file, mirrors="/zoo")
    assert server.paths == [] and not target.parent.exists()


def test_sources_are_tried_in_turn(server, file, target, tmp_path, monkeypatch):
    (tmp_path / "short" / "tiny").mkdir(parents=True)
    (tmp_path / "short" / NAME).write_bytes(CONTENT[:-1])
    (tmp_path / "flipped" / "tiny").mkdir(parents=True)
    (tmp_path / "flipped" / NAME).write_bytes(bytes([CONTENT[0] ^ 1]) + CONTENT[1:])
    mirrors = ["/nowhere", tmp_path / "short", tmp_path / "flipped", f"{server.address}/mirror"]
    server.script = [Fault(status=404), Fault(status=404)]
    reasons = ["No such file", "299999 bytes instead of 300000", "have sha256 ", "404 Not Found", "404 Not Found"]
    lines = fails(file, "cannot be downloaded", mirrors=mirrors).splitlines()[1:-1]
    places = [str(Path(folder) / NAME) for folder in mirrors[:3]] + [f"{server.address}/mirror/{NAME}", file.url]
    assert [line.split(": ")[0] for line in lines] == [f"- {place}" for place in places]
    assert all(reason in line for reason, line in zip(reasons, lines, strict=True))
    assert not target.exists() and leftovers(target) == []
    monkeypatch.setenv("KERAS_SSL_ZOO", ", ".join(map(str, mirrors)))
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert server.paths == [f"/mirror/{NAME}", f"/{NAME}"] * 2


def test_a_copy_of_a_cache_is_a_mirror(server, file, tmp_path):
    fetch(file, progress=False)
    path = fetch(file, tmp_path / "second", mirrors=[tmp_path / "cache"], progress=False)
    assert path == tmp_path / "second" / NAME and path.read_bytes() == CONTENT and len(server.paths) == 1


def test_offline_touches_no_network(file, target, tmp_path, monkeypatch):
    fetch(file, tmp_path / "other", progress=False)

    def refuse(*args, **kwargs):
        raise RuntimeError("the network was touched")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    fails(file, "was touched")  # the guard stands
    monkeypatch.setenv("KERAS_SSL_OFFLINE", "1")
    message = fails(file, "tiny/encoder.safetensors .300000 bytes, sha256 .* is not in the cache, and KERAS_SSL_OFF")
    assert f"put the file at '{target}'" in message and SHA256 in message and f"url='{file.url}'" in message
    fails(file, "300000 bytes, sha256 [0-9a-f]+", mirrors=["https://example.org/zoo"])
    assert fetch(file, tmp_path / "other").read_bytes() == CONTENT
    assert fetch(file, mirrors=["https://example.org/zoo", tmp_path / "other"], progress=False) == target


@pytest.mark.parametrize("known", ["size and hash", "size", "nothing"])
def test_killed_at_any_point_it_leaves_the_file_or_none(server, file, target, tmp_path, known):
    content = CONTENT * 4
    server.files[f"/{NAME}"] = content
    sha256 = hashlib.sha256(content).hexdigest()
    size = None if known == "nothing" else len(content)
    file = replace(file, size=size, sha256=sha256 if known == "size and hash" else "first-use")
    server.piece, server.seconds = len(content) // 20, 0.002
    rng = np.random.default_rng(0)
    start = time.monotonic()
    fetch(file, tmp_path / "other", progress=False)
    longest = 2 * (time.monotonic() - start)
    # Imported once, then forked: forty starts of Python would take longer than all else.
    code = """
import os, signal, time
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        download.fetch(file, progress=False)
        os._exit(0)
    time.sleep(float(line))
    os.kill(pid, signal.SIGKILL)
    print(os.waitpid(pid, 0)[1], flush=True)
"""
    ends = []
    with child(file, code, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in range(40):
            for path in (target, *target.parent.glob("*.lock")):
                path.unlink(missing_ok=True)
            process.stdin.write(f"{rng.uniform(0, longest)}\n")
            process.stdin.flush()
            status = int(process.stdout.readline())
            assert status in (0, signal.SIGKILL)
            ends.append(target.exists())
            if target.exists():
                assert target.read_bytes() == content
                assert known == "size and hash" or len(list(target.parent.glob("*.lock"))) == 1
            else:
                assert status == signal.SIGKILL
    assert 0 < sum(ends) < 40 and any(name.endswith("-encoder.safetensors") for name in leftovers(target))
    server.seconds = 0.0
    assert fetch(file, progress=False).read_bytes() == content


def test_what_killed_processes_left_is_removed_after_a_day(file, target):
    target.parent.mkdir(parents=True)
    old, new, other = (target.parent / f".{digit * 32}-{target.name}" for digit in "abx")
    for path in (old, new, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (0, time.time() - 25 * 3600))
    fetch(file, progress=False)
    assert leftovers(target) == sorted([new.name, other.name])


@pytest.mark.parametrize("locks, known", [(True, True), (False, True), (True, False), (False, False)])
def test_eight_processes_share_a_cache(server, file, target, locks, known):
    file = file if known else replace(file, sha256="first-use", size=None)
    server.piece, server.seconds = len(CONTENT) // 10, 0.02
    code = "" if locks else "sys.modules['keras_ssl.hub.advisory_lock'].fcntl = None"
    code += """
import hashlib
assert "keras" not in sys.modules and "numpy" not in sys.modules
print("ready", flush=True)
sys.stdin.read(1)
print(hashlib.sha256(download.fetch(file, progress=False).read_bytes()).hexdigest())
"""
    if locks and known:
        target.parent.mkdir(parents=True)
        target.write_bytes(CONTENT[:-1])
    processes = [child(file, code, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("x")
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and output.strip() == SHA256
    left = [name for name in leftovers(target) if not name.endswith(".lock")]
    assert target.read_bytes() == CONTENT and left == ["encoder.safetensors.bad"] * (locks and known)
    assert len(server.paths) == 1 if locks else len(server.paths) > 1


def test_a_full_disk_is_named(server, file, target):
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    download.fetch(file, progress=False)
except OSError as error:
    print(type(error).__name__, str(error).replace(chr(10), " "))
"""
    process = child(file, code, stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=60)
    assert output.startswith("DownloadError The cache has no room for tiny/encoder.safetensors (300000 bytes; File")
    assert "KERAS_SSL_CACHE" in output and f"path='{target}'" in output
    assert not target.exists() and leftovers(target) == [] and len(server.paths) == 1


def test_a_disk_that_is_full_is_named(file, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    code = f"""
import os
try:
    download.fetch(file, {str(folder)!r}, progress=False)
except OSError as error:
    print(str(error).replace(chr(10), " "))
print([name for _, _, names in os.walk({str(folder)!r}) for name in names])
"""
    said = on_mounted(folder, "-t tmpfs -o size=128k tmpfs", file, code).splitlines()
    assert "no room for tiny/encoder.safetensors (300000 bytes; No space left on device)" in said[0] and said[1] == "[]"


def test_a_file_system_for_reading_alone_serves_what_it_has(server, file, tmp_path):
    folder = tmp_path / "cache"
    fetch(file, progress=False)
    code = f"""
from dataclasses import replace
print(download.fetch(file, {str(folder)!r}, progress=False))
try:
    download.fetch(replace(file, name="other"), {str(folder)!r}, progress=False)
except OSError as error:
    print(str(error).replace(chr(10), " "))
"""
    said = on_mounted(folder, f"--bind -o ro {shlex.quote(str(folder))}", file, code).splitlines()
    assert said[0] == str(folder / NAME) and len(server.paths) == 1
    assert "cannot take or give other (Read-only file system)" in said[1] and "KERAS_SSL_CACHE" in said[1]


@pytest.mark.parametrize("when", ["write", "fsync"])
def test_a_disk_that_fills_up_is_named(file, target, monkeypatch, when):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(download, "progress_of", lambda *args: full)
    fails(file, "no room for .*300000 bytes; No space left on device.. Make room .*KERAS_SSL_CACHE")
    assert not target.exists() and leftovers(target) == []


def test_an_interrupted_download_leaves_nothing(file, target, monkeypatch):
    def interrupt(position):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "progress_of", lambda *args: interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(file)
    assert not target.exists() and leftovers(target) == []


@pytest.mark.parametrize("kind", ["mirror folder", "mirror server", "publisher", "cache"])
def test_an_empty_file_is_no_first_download(server, file, target, tmp_path, kind):
    unknown = replace(file, size=None, sha256="first-use")
    mirrors = []
    if kind == "mirror folder":
        (tmp_path / "mirror" / "tiny").mkdir(parents=True)
        (tmp_path / "mirror" / NAME).write_bytes(b"")
        mirrors = [tmp_path / "mirror"]
    if kind == "mirror server":
        server.files[f"/empty/{NAME}"] = b""
        mirrors = [f"{server.address}/empty"]
    if kind == "cache":
        target.parent.mkdir(parents=True)
        target.write_bytes(b"")
    if kind == "publisher":
        server.files[f"/{NAME}"] = b""
        fails(unknown, "the file is empty there")
        assert leftovers(target) == []
    else:
        assert fetch(unknown, mirrors=mirrors, progress=False).read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["fifo", "zero", "grows", "folder", "home"])
@pytest.mark.parametrize("known", [True, False])
def test_a_mirror_s_file_that_is_none_is_passed_over(server, file, tmp_path, kind, known):
    wanted = file if known else replace(file, size=None, sha256="first-use")
    mirror, name = tmp_path / "mirror", tmp_path / "mirror" / NAME
    name.parent.mkdir(parents=True)
    if kind == "fifo":
        os.mkfifo(name)
    elif kind == "zero":
        name.symlink_to("/dev/zero")
    elif kind == "grows":  # a file of size 0 that has bytes
        name.symlink_to("/proc/self/maps")
    elif kind == "folder":
        name.mkdir()
    else:
        mirror = "~nosuchuser/zoo"
    assert fetch(wanted, mirrors=[mirror], progress=False).read_bytes() == CONTENT


def test_a_mirror_s_file_is_read_no_further_than_its_size(file, tmp_path, monkeypatch):
    name = tmp_path / "mirror" / NAME
    name.parent.mkdir(parents=True)
    name.write_bytes(CONTENT)
    written = []

    def growing(path):
        stream = open(path, "rb")
        with open(path, "ab") as more:
            os.truncate(path, len(CONTENT))
            found = os.fstat(stream.fileno())
            monkeypatch.setattr(download.os, "fstat", lambda descriptor: found)
            more.write(bytes(50_000_000))
        return stream

    monkeypatch.setattr(download, "open_regular", growing)
    with io.BytesIO() as stream, pytest.raises(SourceError, match="grew beyond its 300000 bytes"):
        download._read_path(name, len(CONTENT), stream, written.append)
    assert max(written, default=0) <= len(CONTENT)


def test_whatever_a_source_raises_the_next_one_is_asked(file, target, tmp_path, monkeypatch):
    def failing(path, *others):
        raise RuntimeError("a source that nobody thought of")

    monkeypatch.setattr(download, "_read_path", failing)
    assert fetch(file, mirrors=[tmp_path], progress=False) == target


def test_without_a_home_the_cache_must_be_named(file, monkeypatch):
    def unknown(user):
        raise KeyError(user)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "KERAS_SSL_CACHE"):
        monkeypatch.delenv(name, raising=False)
    fails(file, "home folder.*KERAS_SSL_CACHE.*Received: path='~/.cache'")
    monkeypatch.setenv("KERAS_SSL_CACHE", "~nosuchuser/x")
    fails(file, "home folder.*Received: path='~nosuchuser/x'")


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_home_that_is_a_file_is_named_and_no_lock_file(file, tmp_path, monkeypatch, offline):
    (tmp_path / "home").write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("KERAS_SSL_CACHE")
    monkeypatch.setenv("KERAS_SSL_OFFLINE", offline)
    unknown = replace(file, size=None, sha256="first-use")
    assert "lock file" not in fails(unknown, "KERAS_SSL_OFFLINE forbids" if offline == "1" else "Not a directory")


def test_a_clock_that_is_ahead_takes_nobody_s_download(file, target, monkeypatch):
    target.parent.mkdir(parents=True)
    theirs = target.with_name(f".{'0' * 32}-{target.name}")
    theirs.write_bytes(b"half")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * LEFTOVER_AGE)
    fetch(file, progress=False)
    assert theirs.read_bytes() == b"half" and leftovers(target) == [theirs.name]

import errno
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.hub import CardFile, DownloadError, cached_file, download, fetch, http_source
from tests.hub.faulty_server import Fault, FaultyServer

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="downloads know no backend")

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "tiny/encoder.safetensors"
# A child process that loads the modules of downloads alone, without Keras: it starts in a fifth of a second.
CHILD = """
import sys, types
for name, folder in (("keras_ssl", sys.argv[1]), ("keras_ssl.hub", sys.argv[1] + "/hub")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from keras_ssl.hub import download
from keras_ssl.hub.card_file import CardFile
file = CardFile(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
"""


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("KERAS_SSL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KERAS_SSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(http_source, "BACK_OFF", 0.001)


@pytest.fixture
def server():
    with FaultyServer() as server:
        server.files[f"/{NAME}"] = CONTENT
        yield server


@pytest.fixture
def file(server):
    return CardFile(NAME, len(CONTENT), SHA256, f"{server.address}/{NAME}")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / NAME


def leftovers(target):
    """What lies in the cache beside the file."""
    return sorted(path.name for path in target.parent.iterdir() if path != target) if target.parent.exists() else []


def child(file, code, **options):
    package = str(Path(keras_ssl.__file__).parent)
    arguments = [package, file.name, str(file.size), file.sha256, file.url]
    return subprocess.Popen([sys.executable, "-c", CHILD + code, *arguments], text=True, **options)


def fails(file, match, **arguments):
    with pytest.raises(DownloadError, match=match) as caught:
        fetch(file, progress=False, **arguments)
    return str(caught.value)


def test_a_file_is_downloaded_once(server, file, target):
    assert fetch(file, progress=False) == target and target.read_bytes() == CONTENT
    assert fetch(file, progress=False) == target
    assert server.ranges == [None] and leftovers(target) == []


def test_a_cache_and_a_name_may_be_in_any_script(server, file, tmp_path):
    server.files["/%C3%A4%20%E5%AD%97/w.npz"] = CONTENT
    file = replace(file, name="ä 字/w.npz")
    path = fetch(file, tmp_path / "Ж x", mirrors=[server.address + "/"], progress=False)
    assert path == tmp_path / "Ж x" / "ä 字" / "w.npz" and path.read_bytes() == CONTENT


@pytest.mark.parametrize("cuts", [[0], [1], [100_000], [299_999], [70_000, 70_000, 1, 0, 5, 9, 100_000, 3]])
def test_a_broken_line_is_continued_where_it_broke(server, file, target, cuts):
    server.script = [Fault(cut=cut) for cut in cuts]
    assert fetch(file, progress=False).read_bytes() == CONTENT
    positions = np.cumsum(cuts)
    assert server.ranges == [None] + [f"bytes={position}-" if position else None for position in positions]


@pytest.mark.parametrize("how", ["ignored", "wrong", "refused", "changed", "nameless"])
def test_what_cannot_be_continued_starts_again(server, file, how):
    if how == "nameless":  # nothing says that the second answer is of the same file
        server.tag = None
    server.script = [Fault(cut=100_000)]
    if how == "ignored":
        server.script += [Fault(ranges=False)]
    if how == "wrong":
        server.script += [Fault(content_range=f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")]
    if how == "refused":
        server.script += [Fault(status=416)]
    if how == "changed":
        server.script[0].headers["ETag"] = '"zero"'
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert server.ranges[0] is None and server.ranges[-1] == (
        "bytes=100000-" if how in ("ignored", "changed") else None
    )


def test_a_busy_server_is_asked_again_and_given_up_at_last(server, file, target, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.script = [Fault(status=500), Fault(status=503, headers={"Retry-After": "7"}), Fault(status=429)]
    assert fetch(file, progress=False) == target
    assert waits[1] == 7 and 0.0007 < waits[0] < waits[2] < 0.006
    target.unlink()
    server.script = [Fault(status=503)] * 5
    fails(file, "503 Service Unavailable .tried 5 times.")
    assert len(server.paths) == 4 + 5 and leftovers(target) == []


def test_a_spoilt_line_is_given_a_second_chance(server, file, target):
    server.script = [Fault(flip=12_345)]
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert server.ranges == [None, None] and leftovers(target) == []


@pytest.mark.parametrize(
    "fault, match, requests",
    [
        (Fault(flip=0), "the bytes have sha256 [0-9a-f]{64}, which must be ", 2),
        (Fault(body=CONTENT[:-1]), "299999 bytes are offered instead of 300000", 1),
        (Fault(body=CONTENT + b"x"), "300001 bytes are offered instead of 300000", 1),
        (Fault(body=b"x", headers={"Content-Length": ""}), "the connection ended after 1 of 300000", 5),
        (Fault(body=CONTENT + b"x", headers={"Content-Length": ""}), "more than the 300000 bytes came", 1),
        (
            Fault(
                body=b"<html><title>Log in</title>" + bytes(299_973),
                headers={"Content-Type": "text/html; charset=utf-8"},
            ),
            r"a web page \(text/html, 'Log in'\) came instead of the file",
            1,
        ),
        (Fault(status=302, headers={"Location": "http://example.invalid/x?key=1"}), "redirects to http://ex.*not h", 1),
        (Fault(status=302, headers={"Location": "file:///etc/passwd"}), "redirects to file:///etc/passwd, which", 1),
        (Fault(status=302, headers={"Location": "ftp://127.0.0.1/x"}), "which is not https", 1),
        (Fault(status=301, headers={"Location": f"/{NAME}"}), "redirects more than 5 times", 6),
        (Fault(status=404), "404 Not Found", 1),
        (Fault(status=204), "204 No Content", 1),
        (Fault(cut=0), r"ended after 0 of 300000 bytes|connection broke.*tried 5 times", 5),
    ],
    ids=lambda value: "" if isinstance(value, Fault) else None,
)
def test_what_is_not_the_file_never_gets_its_name(server, file, target, fault, match, requests):
    server.script = [fault] * 20
    message = fails(file, match)
    assert f"\n- {file.url}: " in message and str(target) in message and "key=1" not in message
    assert f"Received: url='{file.url}'" in message
    assert not target.exists() and leftovers(target) == [] and len(server.paths) == requests


def test_a_proxy_does_not_take_http_off_this_machine(file, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert fetch(file, progress=False).read_bytes() == CONTENT


def test_redirects_on_this_machine_are_followed(server, file, target):
    server.files["/elsewhere"] = CONTENT
    server.script = [Fault(status=307, headers={"Location": "/elsewhere"}), Fault(cut=9)]
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert server.paths == [f"/{NAME}", "/elsewhere", f"/{NAME}"]


def test_a_secure_server_may_not_redirect_to_this_machine(file, monkeypatch):
    asked = []

    def answer(session, url, **options):
        import requests

        asked.append(url)
        response = requests.Response()
        response.status_code, response.raw = 302, io.BytesIO()
        response.headers["Location"] = "http://127.0.0.1:1/x"
        return response

    monkeypatch.setattr("requests.Session.get", answer)
    fails(replace(file, url="https://example.org/x"), "redirects to http://127.0.0.1:1/x, which is not https")
    assert asked == ["https://example.org/x"]


def test_an_unknown_host_or_closed_port_is_named(file, server):
    fails(replace(file, url="http://127.0.0.1:1/x"), "no connection .ConnectionError: .*refused.* .tried 5 times")


def test_addresses_are_checked_before_any_work(server, file, target):
    for mirror in ("http://example.org/zoo", "ftp://example.org", "file:///zoo", "https://me:secret@example.org"):
        with pytest.raises(ValueError, match="A mirror must be a folder, or an address of https") as caught:
            fetch(file, mirrors=[mirror])
        assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="`file` must have a url. Received: file="):
        fetch(replace(file, url=None))
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


def damage(path, how):
    content = path.read_bytes()
    path.write_bytes({"flip": content[:-1] + bytes([content[-1] ^ 1]), "cut": content[:10], "empty": b""}[how])


@pytest.mark.parametrize("how", ["flip", "cut", "empty"])
@pytest.mark.parametrize("sha256", [SHA256, "first-use"])
def test_a_damaged_cached_file_is_downloaded_again(server, file, target, how, sha256):
    file = replace(file, sha256=sha256)
    fetch(file, progress=False)
    damage(target, how)
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert len(server.paths) == 2


def test_a_damaged_cached_file_leaves_its_name_even_if_no_other_comes(server, file, target, monkeypatch):
    fetch(file, progress=False)
    for switch in ("0", "1"):
        target.write_bytes(CONTENT[:-1] + b"?")
        monkeypatch.setenv("KERAS_SSL_OFFLINE", switch)
        server.script = [Fault(status=404)]
        fails(file, "404" if switch == "0" else "KERAS_SSL_OFFLINE")
        assert not target.exists() and leftovers(target) == ["encoder.safetensors.bad"]


def test_the_hash_is_computed_once_for_every_state_of_the_file(file, target, monkeypatch):
    fetch(file, progress=False)
    count = []
    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: count.append(1) or real(*args))
    fetch(file, progress=False)
    fetch(file, progress=False)
    assert len(count) == 2  # the file is seconds old: it might change without a trace
    monkeypatch.setattr(cached_file, "SETTLED", 0.0)
    for _ in range(3):
        fetch(file, progress=False)
    assert len(count) == 3
    monkeypatch.setenv("KERAS_SSL_VERIFY", "1")
    fetch(file, progress=False)
    assert len(count) == 4
    monkeypatch.delenv("KERAS_SSL_VERIFY")
    before = target.stat()
    damage(target, "flip")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had been
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert leftovers(target) == ["encoder.safetensors.bad"]


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
    with pytest.raises(ValueError, match="no hash.*Received: require_hash=True, file="):
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


@pytest.mark.parametrize("text", ["", "{", '{"url": "", "sha256": ""}', "[]", "\xff"])
def test_a_damaged_lock_file_is_not_passed_over(server, file, target, text):
    file = replace(file, sha256="first-use")
    fetch(file, progress=False)
    (target.parent / leftovers(target)[0]).write_text(text, encoding="latin-1")
    fails(file, "lock file .* cannot be read.*delete the lock file. Received: path=")


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


def test_offline_touches_no_network(file, target, tmp_path, monkeypatch):
    fetch(file, tmp_path / "other", progress=False)

    def refuse(*args, **kwargs):
        raise RuntimeError("the network was touched")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    with pytest.raises(RuntimeError, match="was touched"):  # the guard stands
        fetch(file, progress=False)
    monkeypatch.setenv("KERAS_SSL_OFFLINE", "1")
    message = fails(file, "tiny/encoder.safetensors .300000 bytes, sha256 .* is not in the cache, and KERAS_SSL_OFF")
    assert f"put the file at '{target}'" in message and SHA256 in message and f"url='{file.url}'" in message
    fails(file, "300000 bytes, sha256 [0-9a-f]+", mirrors=["https://example.org/zoo"])
    assert fetch(file, tmp_path / "other").read_bytes() == CONTENT
    assert fetch(file, mirrors=["https://example.org/zoo", tmp_path / "other"], progress=False) == target


@pytest.mark.parametrize("known", [True, False])
def test_killed_at_any_point_it_leaves_the_file_or_none(server, file, target, tmp_path, known):
    content = CONTENT * 4
    server.files[f"/{NAME}"] = content
    sha256 = hashlib.sha256(content).hexdigest()
    file = replace(file, size=len(content), sha256=sha256 if known else "first-use")
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
            target.unlink(missing_ok=True)
            process.stdin.write(f"{rng.uniform(0, longest)}\n")
            process.stdin.flush()
            status = int(process.stdout.readline())
            assert status in (0, signal.SIGKILL)
            ends.append(target.exists())
            if target.exists():
                assert target.read_bytes() == content
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


@pytest.mark.parametrize("locks", [True, False])
def test_eight_processes_share_a_cache(server, file, target, locks):
    server.piece, server.seconds = len(CONTENT) // 10, 0.02
    code = "" if locks else "sys.modules['keras_ssl.hub.advisory_lock'].fcntl = None"
    code += """
import hashlib
print("ready", flush=True)
sys.stdin.read(1)
print(hashlib.sha256(download.fetch(file, progress=False).read_bytes()).hexdigest())
"""
    if locks:
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
    assert target.read_bytes() == CONTENT and leftovers(target) == ["encoder.safetensors.bad"] * locks
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
    assert output.startswith(
        "DownloadError The cache has no room for the 300000 bytes of tiny/encoder.safetensors (File"
    )
    assert "KERAS_SSL_CACHE" in output and f"path='{target}'" in output
    assert not target.exists() and leftovers(target) == [] and len(server.paths) == 1


@pytest.mark.parametrize("when", ["write", "fsync"])
def test_a_disk_that_fills_up_is_named(file, target, monkeypatch, when):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(download, "progress_of", lambda *args: full)
    fails(file, "no room for the 300000 bytes .* .No space left on device.. Make room .*KERAS_SSL_CACHE")
    assert not target.exists() and leftovers(target) == []


def test_a_read_only_cache_serves_what_it_has(server, file, target, tmp_path, monkeypatch):
    fetch(file, progress=False)

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # The superuser may write anywhere, so modes would not do.
    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    assert fetch(file, progress=False) == target
    damage(target, "flip")
    fails(file, "cache cannot take or give tiny/encoder.safetensors .Permission denied.*KERAS_SSL_CACHE.*path=")
    fails(file, "Permission denied.*`cache_dir`, to another folder", cache_dir=tmp_path / "new")
    assert len(server.paths) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_write_permission_serves_what_it_has(file, target):
    fetch(file, progress=False)
    target.parent.chmod(0o500)
    try:
        assert fetch(file, progress=False) == target
        fails(replace(file, name="tiny/other"), "Permission denied")
    finally:
        target.parent.chmod(0o700)


def test_an_interrupted_download_leaves_nothing(file, target, monkeypatch):
    def interrupt(position):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "progress_of", lambda *args: interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(file)
    assert not target.exists() and leftovers(target) == []

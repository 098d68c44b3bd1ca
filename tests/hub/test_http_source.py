import io
import shutil
import ssl
import subprocess
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from keras_ssl.hub import fetch, http_source, least_rate
from tests.hub.downloads import CONTENT, NAME, fails, leftovers, without_backend
from tests.hub.faulty_server import Fault, FaultyServer

pytestmark = without_backend


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


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that nobody has signed but itself, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    path = tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tests"
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(tmp_path / "public.pem")]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    with path.open("a") as stream:
        stream.write((tmp_path / "public.pem").read_text())
    return path


def test_https_needs_a_certificate_that_is_trusted(server, file, target, certificate, monkeypatch):
    with FaultyServer() as safe:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        safe.http.socket = context.wrap_socket(safe.http.socket, server_side=True)
        safe.files["/x"] = CONTENT
        safe.script = [Fault(cut=100_000), Fault(status=302, headers={"Location": f"{server.address}/{NAME}"})]
        file = replace(file, url=f"https://127.0.0.1:{safe.http.server_address[1]}/x")
        fails(file, "no secure connection .SSLError: .*certificate verify failed")
        assert not target.exists() and safe.paths == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert fetch(file, progress=False).read_bytes() == CONTENT
        assert safe.paths == ["/x", "/x"] and server.paths == [f"/{NAME}"]  # both are this machine


def test_a_server_without_encryption_is_not_spoken_to_by_https(server, file):
    fails(replace(file, url=file.url.replace("http:", "https:")), "no secure connection")
    assert server.paths == []


@pytest.fixture
def mirror(server, file):
    """Another server, which comes first and always errs."""
    with FaultyServer() as mirror:
        mirror.files = server.files
        yield mirror


def answer(*headers, status=b"200 OK", body=b""):
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"", body])


DIGITS = b"9" * 5000


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"Content-Length: " + DIGITS),
        answer(b"Content-Length: 300000", b"Content-Length: 5"),
        answer(b"Location: http://[::1/x", b"Content-Length: 0", status=b"302 Found"),
        answer(b"Location: https://[zz]/x", b"Content-Length: 0", status=b"302 Found"),
        answer("Location: https://exam\u2100ple.org/x".encode(), b"Content-Length: 0", status=b"302 Found"),
        answer(b"Location: http://127.0.0.1:" + DIGITS, b"Content-Length: 0", status=b"301 Moved"),
        answer(b"Location: //", b"Content-Length: 0", status=b"307 Again"),
        answer(b"Retry-After: " + DIGITS, b"Content-Length: 0", status=b"503 Busy"),
        answer(b"Content-Range: bytes 0-1/" + DIGITS, status=b"206 Part"),
        answer(b"Content-Range: bytes " + DIGITS + b"-" + DIGITS + b"/" + DIGITS, status=b"206 Part"),
        answer(b"Transfer-Encoding: chunked", body=DIGITS + b"\r\n"),
        answer(b"Transfer-Encoding: chunked", body=b"f" * 5000 + b"\r\n"),
        answer(b"Content-Type: text/html; charset=" + DIGITS, b"Content-Encoding: gzip, br, x", body=b"<title>"),
        answer(b"ETag: \xff\x01", b"Last-Modified: \xff", b"Content-Length: 300000", body=b"x"),
        answer(status=DIGITS + b" Many"),
        answer(status=b"404 \x1b[31m\xff"),
        b"\x00" * 100,
        b"",
    ],
    ids=range(18),
)
def test_whatever_a_mirror_answers_the_next_source_is_asked(server, mirror, file, monkeypatch, raw):
    monkeypatch.setattr(http_source, "LONGEST_WAIT", 0.001)
    mirror.always = Fault(raw=raw)
    assert fetch(file, mirrors=[mirror.address], progress=False).read_bytes() == CONTENT
    assert mirror.paths and server.paths


@pytest.mark.parametrize("error", [ValueError, LookupError, RecursionError, MemoryError, AttributeError, TypeError])
@pytest.mark.parametrize("step", ["urljoin", "is_allowed", "is_loopback", "_start", "_version", "_title"])
def test_whatever_a_parser_raises_the_next_source_is_asked(server, mirror, file, monkeypatch, step, error):
    right = getattr(http_source, step)

    def failing(first, *others, **more):
        url = getattr(first, "url", first)
        if url.startswith(mirror.address):
            raise error("a text that nobody thought of")
        return right(first, *others, **more)

    mirror.always = {
        "_title": Fault(body=b"x", headers={"Content-Type": "text/html"}),
        "_start": Fault(),
        "_version": Fault(),
    }.get(step, Fault(status=302, headers={"Location": f"{mirror.address}/else"}))
    monkeypatch.setattr(http_source, step, failing)
    assert fetch(file, mirrors=[mirror.address], progress=False).read_bytes() == CONTENT
    assert mirror.paths and server.paths


def test_the_reason_of_a_server_is_shown_in_printable_characters(mirror, file, server):
    server.always = Fault(raw=answer(status=b"404 \x1b[31mred" + b"x" * 500))
    text = fails(file, "404 .31mredx")
    assert "\x1b" not in text and "x" * 100 not in text


def test_the_body_of_a_redirect_is_not_read(server, file, target):
    server.files["/else"] = CONTENT
    endless = b"100\r\n" + bytes(256) + b"\r\n"
    server.script = [
        Fault(
            raw=answer(b"Location: /else", b"Transfer-Encoding: chunked", status=b"302 Found", body=endless * 40_000),
        )
    ]
    start = time.monotonic()
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert time.monotonic() - start < 5


SLOW = {
    "body": Fault(raw=answer(b"Content-Length: 300000", body=bytes(2000)), drip=0.01),
    "headers": Fault(raw=b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 400, drip=0.01),
    "one header": Fault(raw=b"HTTP/1.1 200 OK\r\na: " + b"b" * 2000, drip=0.01),
    "chunk's length": Fault(raw=answer(b"Transfer-Encoding: chunked", body=b"0" * 2000), drip=0.01),
    "a byte a connection": Fault(cut=1),
    "nothing": Fault(raw=b"H", drip=20.0),
    "redirects": Fault(raw=answer(b"Location: /x", b"a: " + b"b" * 20, status=b"302 Found"), drip=0.01),
    "busy": Fault(status=503, headers={"Retry-After": "20"}),
}


@pytest.mark.parametrize("how", SLOW)
def test_a_source_that_brings_next_to_nothing_is_left(server, mirror, file, monkeypatch, how):
    monkeypatch.setattr(least_rate, "WINDOW", 0.4)
    monkeypatch.setattr(least_rate, "LEAST_RATE", 100_000.0)
    monkeypatch.setattr(least_rate, "_AGAIN", 0.05)
    mirror.always = SLOW[how]
    start = time.monotonic()
    assert fetch(file, mirrors=[mirror.address], progress=False).read_bytes() == CONTENT
    assert time.monotonic() - start < 4 and server.paths
    assert not [thread for thread in threading.enumerate() if "least rate" in thread.name]


def test_a_slow_source_says_so(server, file, monkeypatch):
    monkeypatch.setattr(least_rate, "WINDOW", 0.2)
    server.always = SLOW["body"]
    fails(file, "only 0 bytes came in 0.2 seconds")


def test_a_source_that_is_fast_enough_may_take_many_windows(server, file, monkeypatch):
    monkeypatch.setattr(least_rate, "WINDOW", 0.2)
    monkeypatch.setattr(least_rate, "LEAST_RATE", 100_000.0)
    server.piece, server.seconds = 30_000, 0.08
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert server.ranges == [None]

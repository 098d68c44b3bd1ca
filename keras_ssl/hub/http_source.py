"""One file from one web address: refused if it is another, continued where the line broke."""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests

from keras_ssl.hub.address import is_allowed, is_loopback, shown
from keras_ssl.hub.download_error import SourceError
from keras_ssl.hub.least_rate import LeastRate

TIMEOUT = (10.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes."""
RETRIES = 4
"""Failures in a row, without a new byte, after which an address is given up."""
BACK_OFF = 0.5
"""Seconds before the first retry; each further one waits twice as long."""
LONGEST_WAIT = 30.0
"""Seconds that a server may ask to wait."""
REDIRECTS = 5
CHUNK = 1 << 16

_BUSY = {408, 425, 429, 500, 502, 503, 504}
_CHANCE = random.SystemRandom()  # the user's random numbers stay as they are


class _Interrupted(Exception):
    """What may be over in a moment."""

    def __init__(self, reason: str, wait: float = 0.0, keep: bool = True) -> None:
        super().__init__(reason)
        self.wait = wait
        self.keep = keep


def read_url(url: str, size: int | None, stream: BinaryIO, progress: Callable[[int], None]) -> None:
    """Writes the `size` bytes at an address to an empty file; what the server announces where `size` is None.

    What may pass (a broken line, a time-out, a busy server) is tried again with growing waits, from where it
    broke if the server can continue the same version of the file, else from the start. All of it together must bring
    new bytes at `least_rate.LEAST_RATE`, or the address is given up.

    Args:
        url: an allowed address (see `is_allowed`). Redirects must lead to https; only from this machine may
            they lead to http on it.
        size: of the file in bytes; None where it is not known: then a server that does not say it is refused.
        stream: a file that can be truncated.
        progress: called with the number of bytes that are written.

    Raises:
        SourceError: if there is no such file, another came, the server is too slow or says what makes no sense, or the
            line is broken for good.
        OSError: if `stream` cannot be written to.
    """
    furthest = failures = 0
    version: str | None = None  # what the server calls the bytes that we have
    with LeastRate() as pace, _Session(pace) as session:
        while True:
            try:
                with _open(session, url, stream.tell() if version else 0, version) as response:
                    with _of_server():
                        size, keep = _start(response, size, stream.tell(), version)
                    if not keep:
                        _rewind(stream)
                    if response.status_code == 200:
                        version = _version(response)
                    for chunk in _chunks(response):
                        if stream.tell() + len(chunk) > size:
                            raise SourceError(f"more than the {size} bytes came")
                        stream.write(chunk)
                        pace.reached(stream.tell())
                        pace.check()
                        progress(stream.tell())
                if stream.tell() == size:
                    return
                raise _Interrupted(f"the connection ended after {stream.tell()} of {size} bytes")
            except _Interrupted as error:
                pace.check()
                if not error.keep:
                    _rewind(stream)
                failures = 1 if stream.tell() > furthest else failures + 1
                furthest = max(furthest, stream.tell())
                if failures > RETRIES:
                    raise SourceError(f"{error} (tried {failures} times)") from error
                wait = BACK_OFF * 2 ** (failures - 1) * _CHANCE.uniform(0.75, 1.25)
                time.sleep(min(max(wait, min(error.wait, LONGEST_WAIT)), pace.left()))
                pace.check()


class _Session(requests.Session):
    """A session whose connections are known to `pace`, and that reads no body of an answer which leads elsewhere."""

    def __init__(self, pace: LeastRate) -> None:
        super().__init__()
        for scheme in ("https://", "http://"):
            self.mount(scheme, pace.adapter())

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None  # `_open` follows; the session would first read the whole body, however long


@contextmanager
def _of_server() -> Iterator[None]:
    """Whatever goes wrong with what a server sends is the fault of this source: the next one can be asked."""
    try:
        yield
    except (SourceError, _Interrupted):
        raise
    except requests.exceptions.SSLError as error:
        raise SourceError(f"no secure connection ({_short(error)})") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _Interrupted(f"no connection ({_short(error)})") from error
    except Exception as error:  # a server's text may break any parser of it
        raise SourceError(f"its answer cannot be used ({_short(error)})") from error


def _open(session: requests.Session, url: str, start: int, version: str | None) -> requests.Response:
    """The answer at the end of all redirects."""
    headers = {"Accept-Encoding": "identity"}
    if start and version:
        headers.update({"Range": f"bytes={start}-", "If-Range": version})
    with _of_server():
        for _ in range(REDIRECTS + 1):
            session.trust_env = urlsplit(url).scheme == "https"  # a proxy would take http off this machine
            response = session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUT)
            if not response.is_redirect:
                return response
            response.close()
            target = urljoin(url, response.headers["Location"])
            if not is_allowed(target, plain=is_loopback(url)):
                raise SourceError(f"it redirects to {shown(target)}, which is not https")
            url = target
        raise SourceError(f"it redirects more than {REDIRECTS} times")


def _start(response: requests.Response, size: int | None, position: int, version: str | None) -> tuple[int, bool]:
    """Checks what the server offers before any of it is read; the file's size, and whether to keep what is there."""
    status, reason = response.status_code, _plain(response.reason)
    if status in _BUSY:
        wait = response.headers.get("Retry-After", "")
        raise _Interrupted(f"{status} {reason}", float(wait) if wait.isdecimal() else 0.0)
    if status == 416 or (status == 206 and not _continues(response, position, size, version)):
        raise _Interrupted("the server cannot continue a download", keep=False)
    if status not in (200, 206):
        raise SourceError(f"{status} {reason}")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise SourceError(f"a web page ({kind}{_title(response)}) came instead of the file")
    keep = status == 206
    length = response.headers.get("Content-Length", "")
    offered = int(length) + (position if keep else 0) if length.isdecimal() else None
    if offered is None and size is None:
        raise SourceError("the server does not say how many bytes the file has, nor does its card")
    if offered is not None and size not in (None, offered):
        raise SourceError(f"{offered} bytes are offered instead of {size}")
    if size is None and not offered:
        raise SourceError("the file is empty there")
    return offered if size is None else size, keep  # type: ignore[return-value]


def _continues(response: requests.Response, position: int, size: int | None, version: str | None) -> bool:
    """Whether a partial answer is the rest of the bytes that are there."""
    offered = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if not offered or not position or _version(response) not in (None, version):
        return False
    return int(offered[1]) == position and offered[3] in ("*", str(size))


def _version(response: requests.Response) -> str | None:
    """The name of this version of the file, for If-Range."""
    tag = response.headers.get("ETag", "")
    name = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    return name if re.fullmatch("[ -~]{1,500}", name) else None


def _rewind(stream: BinaryIO) -> None:
    stream.seek(0)
    stream.truncate()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The bytes as they were sent."""
    try:
        yield from response.raw.stream(CHUNK, decode_content=False)
    except Exception as error:  # what the consumer raises does not come here
        raise _Interrupted(f"the connection broke ({_short(error)})") from error


def _title(response: requests.Response) -> str:
    try:
        head = response.raw.read(4096, decode_content=True).decode("utf-8", "replace")
    except Exception:  # it would only have made the message better
        return ""
    title = re.search(r"<title[^>]*>([^<]{1,80})", head, re.IGNORECASE)
    return f", {title[1].strip()!r}" if title else ""


def _plain(text: object, length: int = 80) -> str:
    """A server's text for a message: one line of printable characters, not too long."""
    return "".join(letter for letter in str(text)[:length] if letter.isprintable())


def _short(error: BaseException) -> str:
    """The innermost reason that a client gives, without the wrappings."""
    inner = error.args[0] if error.args else error
    reason = getattr(inner, "reason", None) or inner
    return f"{type(error).__name__}: {_plain(str(reason).split('): ', 1)[-1], 200)}"

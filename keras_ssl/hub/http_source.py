"""One file from one web address: refused if it is another, continued where the line broke."""

import random
import re
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from keras_ssl.hub.address import is_allowed, is_loopback, shown
from keras_ssl.hub.download_error import SourceError

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

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def read_url(url: str, size: int | None, stream: BinaryIO, progress: Callable[[int], None]) -> None:
    """Writes the `size` bytes at an address to an empty file; what the server announces where `size` is None.

    What may pass (a broken line, a time-out, a busy server) is tried again with growing waits, from where it
    broke if the server can continue the same version of the file, else from the start.

    Args:
        url: an allowed address (see `is_allowed`). Redirects must lead to https; only from this machine may
            they lead to http on it.
        size: of the file in bytes; None where it is not known: then a server that does not say it is refused.
        stream: a file that can be truncated.
        progress: called with the number of bytes that are written.

    Raises:
        SourceError: if there is no such file, another came, or the line is broken for good.
        OSError: if `stream` cannot be written to.
    """
    furthest = failures = 0
    version: str | None = None  # what the server calls the bytes that we have
    with requests.Session() as session:
        while True:
            try:
                with _open(session, url, stream.tell() if version else 0, version) as response:
                    size = _start(response, size, stream, version)
                    if response.status_code == 200:
                        version = _version(response)
                    for chunk in _chunks(response):
                        if stream.tell() + len(chunk) > size:
                            raise SourceError(f"more than the {size} bytes came")
                        stream.write(chunk)
                        progress(stream.tell())
                if stream.tell() == size:
                    return
                raise _Interrupted(f"the connection ended after {stream.tell()} of {size} bytes")
            except _Interrupted as error:
                failures = 1 if stream.tell() > furthest else failures + 1
                furthest = max(furthest, stream.tell())
                if failures > RETRIES:
                    raise SourceError(f"{error} (tried {failures} times)") from error
                wait = BACK_OFF * 2 ** (failures - 1) * _CHANCE.uniform(0.75, 1.25)
                time.sleep(max(wait, min(error.wait, LONGEST_WAIT)))


def _open(session: requests.Session, url: str, start: int, version: str | None) -> requests.Response:
    """The answer at the end of all redirects."""
    headers = {"Accept-Encoding": "identity"}
    if start and version:
        headers.update({"Range": f"bytes={start}-", "If-Range": version})
    for _ in range(REDIRECTS + 1):
        session.trust_env = urlsplit(url).scheme == "https"  # a proxy would take http off this machine
        try:
            response = session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUT)
        except requests.exceptions.SSLError as error:
            raise SourceError(f"no secure connection ({_short(error)})") from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _Interrupted(f"no connection ({_short(error)})") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
            raise SourceError(f"no connection ({_short(error)})") from error
        if not response.is_redirect:
            return response
        response.close()
        target = urljoin(url, response.headers["Location"])
        if not is_allowed(target, plain=is_loopback(url)):
            raise SourceError(f"it redirects to {shown(target)}, which is not https")
        url = target
    raise SourceError(f"it redirects more than {REDIRECTS} times")


def _start(response: requests.Response, size: int | None, stream: BinaryIO, version: str | None) -> int:
    """Checks what the server offers before any of it is read, puts `stream` where it belongs; the file's size."""
    status, position = response.status_code, stream.tell()
    if status in _BUSY:
        wait = response.headers.get("Retry-After", "")
        raise _Interrupted(f"{status} {response.reason}", float(wait) if wait.isdecimal() else 0.0)
    if status == 416 or (status == 206 and not _continues(response, position, size, version)):
        _rewind(stream)
        raise _Interrupted("the server cannot continue a download")
    if status not in (200, 206):
        raise SourceError(f"{status} {response.reason}")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise SourceError(f"a web page ({kind}{_title(response)}) came instead of the file")
    if status == 200 and position:
        _rewind(stream)
    length = response.headers.get("Content-Length", "")
    offered = int(length) + stream.tell() if length.isdecimal() else None
    if offered is None and size is None:
        raise SourceError("the server does not say how many bytes the file has, nor does its card")
    if offered is not None and size not in (None, offered):
        raise SourceError(f"{offered} bytes are offered instead of {size}")
    return offered if size is None else size  # type: ignore[return-value]


def _continues(response: requests.Response, position: int, size: int | None, version: str | None) -> bool:
    """Whether a partial answer is the rest of the bytes that are there."""
    offered = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if not offered or not position or _version(response) not in (None, version):
        return False
    return int(offered[1]) == position and offered[3] in ("*", str(size))


def _version(response: requests.Response) -> str | None:
    """The name of this version of the file, for If-Range."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _rewind(stream: BinaryIO) -> None:
    stream.seek(0)
    stream.truncate()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The bytes as they were sent."""
    try:
        yield from response.raw.stream(CHUNK, decode_content=False)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _Interrupted(f"the connection broke ({_short(error)})") from error


def _title(response: requests.Response) -> str:
    try:
        head = response.raw.read(4096, decode_content=True).decode("utf-8", "replace")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        return ""
    title = re.search(r"<title[^>]*>([^<]{1,80})", head, re.IGNORECASE)
    return f", {title[1].strip()!r}" if title else ""


def _short(error: BaseException) -> str:
    """The innermost reason that a client gives, without the wrappings."""
    inner = error.args[0] if error.args else error
    reason = getattr(inner, "reason", None) or inner
    return f"{type(error).__name__}: {str(reason).split('): ', 1)[-1][:200]}"

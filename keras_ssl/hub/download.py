"""Files of the zoo on this machine: found, checked, or downloaded."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from keras_ssl.hub.address import is_allowed, shown
from keras_ssl.hub.advisory_lock import advisory_lock
from keras_ssl.hub.atomic import atomic_file, remove_leftovers
from keras_ssl.hub.cached_file import HASHERS, expected_hash, is_cached
from keras_ssl.hub.card_file import FIRST_USE, CardFile
from keras_ssl.hub.download_error import DownloadError, SourceError
from keras_ssl.hub.environment import cache_folder, environment_mirrors, is_set
from keras_ssl.hub.first_use import lock_path, record_hash
from keras_ssl.hub.http_source import read_url
from keras_ssl.hub.progress import progress as progress_of
from keras_ssl.regular_file import open_regular

LEFTOVER_AGE = 24 * 3600.0
"""Seconds without a new byte after which the unfinished file of a killed process is removed."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fetch(
    file: CardFile,
    cache_dir: str | os.PathLike[str] | None = None,
    mirrors: Iterable[str | os.PathLike[str]] | None = None,
    *,
    require_hash: bool = False,
    progress: bool = True,
) -> Path:
    """The path of a file in the cache; it is downloaded where it is not there yet.

    What is at that path then has the size and hash that are wanted: a download is written to a file of this
    process alone and renamed when it has been checked; a cached file is checked at each call, its size always,
    its hash once for every state of the file in a process (`KERAS_SSL_VERIFY=1`: always). One that fails is
    moved aside, to its name with `.bad` added, and downloaded again.

    Sources are tried in turn: the mirrors, then the file's own address. A mirror is a folder or a base address
    in which the file goes by its name, as it does in a cache folder, so a copy of a cache is a mirror. Only
    https is used, and http on this machine itself. Within a call a broken download goes on where it broke. A source
    that gives less than 5 kB a second, averaged over a minute, is left for the next one.

    Environment: `KERAS_SSL_CACHE` (see `cache_folder`), `KERAS_SSL_ZOO` (mirrors, separated by commas),
    `KERAS_SSL_OFFLINE=1` (no network: cache and folders only), `KERAS_SSL_VERIFY=1`.

    Args:
        file: name, size, sha256 and url of the file. Where its sha256 is "first-use" the first download is
            recorded in a lock file beside it, and later ones must match; what the publisher gives of a hash
            (`sha256_prefix`, `md5`) must match from the first. Where its size is None too, a source must say how many
            bytes it sends.
        cache_dir: the cache. Defaults to `cache_folder()`.
        mirrors: tried before `file.url`. Defaults to those of `KERAS_SSL_ZOO`.
        require_hash: whether a file without a full sha256 is refused. A prefix does not do: of 8 digits, another file
            with the same is found in minutes, so that it tells a mix-up but no forgery; nor does an md5, of which two
            files with the same can be made. Defaults to False.
        progress: whether to show how far a download is. Defaults to True.

    Raises:
        ValueError: if `file` has no url, a mirror is neither a folder nor an allowed address, or the hash is
            "first-use" and `require_hash` is set.
        DownloadError: if no source gives the file, or the cache cannot take it.

    Example:

    ```python
    file = CardFile("a.safetensors", 94_366_000, "6f1a...", "https://example.org/a.safetensors")
    path = keras_ssl.hub.fetch(file, mirrors=["/data/zoo"])
    ```
    """
    if file.url is None:
        raise ValueError(f"`file` must have a url. Received: file={file!r}")
    if require_hash and file.sha256 == FIRST_USE:
        raise ValueError(
            "The card has no full sha256 of this file, and `require_hash` takes nothing less. "
            f"Received: require_hash=True, file={file!r}"
        )
    sources = _sources(file, environment_mirrors() if mirrors is None else mirrors)
    target = cache_folder(cache_dir) / file.name
    try:
        if is_cached(file, target):
            return target
        if is_set("KERAS_SSL_OFFLINE"):
            sources = [source for source in sources if isinstance(source, Path)]
        if not sources and not target.exists():
            raise _failure(file, target, [])
        target.parent.mkdir(parents=True, exist_ok=True)
        with advisory_lock(target, shown=progress):
            if not is_cached(file, target):  # nobody else has brought it meanwhile
                with suppress(FileNotFoundError):
                    os.replace(target, target.with_name(f"{target.name}.bad"))
                remove_leftovers(target, LEFTOVER_AGE)
                _download(file, target, sources, progress)
    except DownloadError:
        raise
    except OSError as error:
        raise _cache_failure(error, file, target) from error
    return target


def _download(file: CardFile, target: Path, sources: list[str | Path], shown_progress: bool) -> None:
    expected = expected_hash(file, target)
    problems = []
    for source in sources:
        try:
            with atomic_file(target) as staging:
                digest = _write(source, file, expected, staging, progress_of(file.name, file.size, shown_progress))
                if expected is None and file.url is not None:
                    recorded = record_hash(target, file.url, staging.stat().st_size, digest)
                    if recorded != digest:
                        raise SourceError(f"sha256 {digest} came instead of {recorded}, which was recorded meanwhile")
            return
        except OSError:
            raise  # of the cache: a source's own are `SourceError`s
        except Exception as error:  # whatever a source does, the next one may have the file
            if not isinstance(error, SourceError):
                error = SourceError(f"{type(error).__name__}: {str(error)[:200]}")
            problems.append(f"{source if isinstance(source, Path) else shown(source)}: {error}")
    raise _failure(file, target, problems)


def _write(source: str | Path, file: CardFile, expected: str | None, staging: Path, bar: Callable[[int], None]) -> str:
    """Writes the file from one source and returns its hash, which is the one expected."""
    problem = ""
    for _ in range(1 if isinstance(source, Path) else 2):  # once more: the line may have spoilt it
        with staging.open("wb") as stream:
            if isinstance(source, Path):
                _read_path(source, file.size, stream, bar)
            else:
                read_url(source, file.size, stream, bar)
            if file.size not in (None, stream.tell()):
                raise SourceError(f"{stream.tell()} bytes came instead of {file.size}")
            if file.size is None and not stream.tell():
                raise SourceError("the file is empty there")
            stream.flush()
            os.fsync(stream.fileno())
        digest = _hash(staging, "sha256")
        problem = file.hash_problem(digest, lambda: _hash(staging, "md5"))
        if not problem and expected not in (None, digest):
            problem = f"sha256 {digest}, which must be {expected}"
        if not problem:
            return digest
    raise SourceError(f"the bytes have {problem}")


def _hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, HASHERS[algorithm]).hexdigest()


def _read_path(path: Path, size: int | None, stream: BinaryIO, bar: Callable[[int], None]) -> None:
    """As `read_url`, for a file of a mirror that is a folder."""
    for piece in _pieces(path, size):
        stream.write(piece)
        bar(stream.tell())


def _pieces(path: Path, size: int | None) -> Iterator[bytes]:
    try:
        with open_regular(path) as source:
            left = found = os.fstat(source.fileno()).st_size
            if size not in (None, found):
                raise SourceError(f"the file has {found} bytes instead of {size}")
            while piece := source.read(min(1 << 20, left + 1)):
                left -= len(piece)
                if left < 0:
                    raise SourceError(f"the file grew beyond its {found} bytes while it was read")
                yield piece
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error


def _sources(file: CardFile, mirrors: Iterable[str | os.PathLike[str]]) -> list[str | Path]:
    """Where to look, in order: folders give paths, addresses texts."""
    if isinstance(mirrors, str | os.PathLike):
        raise ValueError(f"`mirrors` must be a list of folders and addresses. Received: mirrors={mirrors!r}")
    sources: list[str | Path] = []
    for mirror in mirrors:
        text = os.fspath(mirror)
        if "://" not in text:
            sources.append(Path(os.path.expanduser(text)).absolute() / file.name)
        elif is_allowed(text):
            sources.append(f"{text.rstrip('/')}/{quote(file.name)}")
        else:
            raise ValueError(
                "A mirror must be a folder, or an address of https (http only on this machine) without user and "
                f"password. Received: mirror={shown(text)!r}"
            )
    return [*sources, file.url or ""]


def _failure(file: CardFile, target: Path, problems: list[str]) -> DownloadError:
    """What was tried, in order, and what can be done."""
    expected = expected_hash(file, target)
    hash_text = file.hash_text if expected is None else f"sha256 {expected}"
    if is_set("KERAS_SSL_OFFLINE"):
        head = "is not in the cache, and KERAS_SSL_OFFLINE forbids to download it."
    else:
        head = "cannot be downloaded."
    tried = "".join(f"\n- {problem}" for problem in problems)
    lock = ""
    if file.sha256 == FIRST_USE and expected is not None and file.url is not None:
        lock = (
            f" The sha256 is that of the first download; if the publisher has changed the file for good, delete "
            f"{str(lock_path(target, file.url))!r}."
        )
    return DownloadError(
        f"{file.name} ({file.size_text}, {hash_text}) {head}{tried}\nTry again later, or put the file at "
        f"{str(target)!r} yourself, or name a folder or base address that has {file.name} in the environment's "
        f"KERAS_SSL_ZOO.{lock} Received: url={shown(file.url or '')!r}"
    )


def _cache_failure(error: OSError, file: CardFile, target: Path) -> DownloadError:
    if error.errno in _FULL:
        reason = f"has no room for {file.name} ({file.size_text}; {error.strerror})"
    else:
        reason = f"cannot take or give {file.name} ({error.strerror or error})"
    return DownloadError(
        f"The cache {reason}. Make room or allow writing there, or set the environment's KERAS_SSL_CACHE, or "
        f"`cache_dir`, to another folder. Received: path={str(target)!r}, url={shown(file.url or '')!r}"
    )

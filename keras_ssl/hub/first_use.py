"""Hashes that no publisher gave: the first download decides, later ones must match."""

import hashlib
import json
import os
import re
import uuid
from pathlib import Path

from keras_ssl.hub.download_error import DownloadError
from keras_ssl.hub.parse_text import MAX_TEXT, parse_text
from keras_ssl.regular_file import read_regular


def lock_path(target: Path, url: str) -> Path:
    """The lock file beside a cached file: what was found when it was first downloaded from `url`."""
    return target.with_name(f"{target.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.lock")


def recorded_hash(target: Path, url: str) -> str | None:
    """The sha256 of the first download, or None where there was none.

    Raises:
        DownloadError: if the lock file is damaged or cannot be read: it is not passed over, since it may have said no.
    """
    path = lock_path(target, url)
    try:
        content = read_regular(path, MAX_TEXT)
    except (FileNotFoundError, NotADirectoryError):  # there is none, nor a folder for it
        return None
    except OSError as error:
        raise DownloadError(
            f"The lock file that holds the hash of the first download cannot be read ({error.strerror}). "
            f"Received: path={str(path)!r}"
        ) from error
    try:
        table = parse_text(content.decode("utf-8"), json.loads)
        if table["url"] == url and re.fullmatch("[0-9a-f]{64}", table["sha256"]):
            return str(table["sha256"])
    except (ValueError, KeyError, TypeError):
        pass
    raise DownloadError(
        "The lock file that holds the hash of the first download is damaged. Compare the cached file with "
        f"the publisher's, then delete the lock file. Received: path={str(path)!r}"
    )


def record_hash(target: Path, url: str, size: int, sha256: str) -> str:
    """Records the sha256 of a first download; returns the one on record, which is another if one was first.

    A record is never replaced, so of two processes that download at once both go by the same.
    """
    path = lock_path(target, url)
    staging = path.with_name(f".{uuid.uuid4().hex}-{path.name}")
    try:
        with staging.open("w", encoding="utf-8") as stream:
            json.dump({"url": url, "size": size, "sha256": sha256}, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(staging, path)  # unlike a rename, it refuses to replace
        except FileExistsError:
            pass
        except OSError:  # no hard links here
            if not path.exists():
                os.replace(staging, path)
    finally:
        staging.unlink(missing_ok=True)
    return recorded_hash(target, url) or sha256

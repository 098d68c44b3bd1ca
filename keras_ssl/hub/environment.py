"""What the environment says about downloads."""

import os
import sys
from pathlib import Path

from keras_ssl.hub.download_error import DownloadError


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder of downloaded files; it need not exist yet.

    It is `cache_dir`; else the environment's `KERAS_SSL_CACHE`; else `keras_ssl` in the platform's folder for
    such things: `$XDG_CACHE_HOME` or `~/.cache`, on macOS `~/Library/Caches`, on Windows `%LOCALAPPDATA%`.

    Example:

    >>> cache_folder("weights").name
    'weights'

    Raises:
        DownloadError: if the folder is in the home folder of a user who has none, as in a container with a bare user
            id.
    """
    chosen = cache_dir if cache_dir is not None else os.environ.get("KERAS_SSL_CACHE")
    if chosen:
        return _expanded(Path(chosen)).absolute()
    if sys.platform == "darwin":
        base = Path("~/Library/Caches")
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return (_expanded(base) / "keras_ssl").absolute()


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise DownloadError(
            "The cache would be in a home folder, which is not known. Set the environment's KERAS_SSL_CACHE, or "
            f"`cache_dir`, to a folder. Received: path={str(path)!r}"
        ) from error


def environment_mirrors() -> list[str]:
    """The folders and base addresses in `KERAS_SSL_ZOO`, separated by commas; a folder with a comma stands alone."""
    whole = os.environ.get("KERAS_SSL_ZOO", "").strip()
    if "," in whole and os.path.isdir(os.path.expanduser(whole)):
        return [whole]
    return [text.strip() for text in os.environ.get("KERAS_SSL_ZOO", "").split(",") if text.strip()]


def is_set(name: str) -> bool:
    """Whether a switch of the environment is on: set, and neither empty nor 0."""
    return os.environ.get(name, "") not in ("", "0")

"""What the environment says about downloads."""

import os
import sys
from pathlib import Path


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder of downloaded files; it need not exist yet.

    It is `cache_dir`; else the environment's `KERAS_SSL_CACHE`; else `keras_ssl` in the platform's folder for
    such things: `$XDG_CACHE_HOME` or `~/.cache`, on macOS `~/Library/Caches`, on Windows `%LOCALAPPDATA%`.

    Example:

    >>> cache_folder("weights").name
    'weights'
    """
    chosen = cache_dir if cache_dir is not None else os.environ.get("KERAS_SSL_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        base = Path("~/Library/Caches")
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return (base.expanduser() / "keras_ssl").absolute()


def environment_mirrors() -> list[str]:
    """The folders and base addresses in `KERAS_SSL_ZOO`, separated by commas."""
    return [text.strip() for text in os.environ.get("KERAS_SSL_ZOO", "").split(",") if text.strip()]


def is_set(name: str) -> bool:
    """Whether a switch of the environment is on: set, and neither empty nor 0."""
    return os.environ.get(name, "") not in ("", "0")

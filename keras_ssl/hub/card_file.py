"""A file of a zoo entry: its name, size and hash."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from keras_ssl.hub.address import is_allowed, shown
from keras_ssl.regular_file import open_regular, read_regular

FIRST_USE = "first-use"
"""Stands for the sha256 of a file whose publisher gives none."""


@dataclass(frozen=True)
class CardFile:
    """A file of an entry.

    Args:
        name: path relative to the card's folder, with forward slashes.
        size: in bytes; None where the sha256 is "first-use" and the publisher does not give it either.
        sha256: of the content, 64 hexadecimal digits; or "first-use" where there is a url whose publisher gives
            none: then the first download decides (see `keras_ssl.hub.fetch`).
        url: where it can be downloaded, by https. Defaults to None: it lies beside the card.

    Raises:
        ValueError: if the name leads out of the folder, or size, hash or url are not of their form.
    """

    name: str
    size: int | None
    sha256: str
    url: str | None = None

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.name).parts if isinstance(self.name, str) else ()
        if not parts or ".." in parts or parts[0].startswith("/") or re.search(r"[\\:\0]", self.name):
            raise ValueError(f"A file's `name` must be a path inside the entry's folder. Received: name={self.name!r}")
        first_use = self.sha256 == FIRST_USE and self.url is not None
        unknown = self.size is None and first_use
        if not unknown and (not isinstance(self.size, int) or isinstance(self.size, bool) or self.size < 0):
            raise ValueError(f"A file's `size` must be a number of bytes. Received: size={self.size!r}")
        if self.url is not None and not (isinstance(self.url, str) and is_allowed(self.url)):
            raise ValueError(
                "A file's `url` must be an address of https (http only on this machine) without user and password. "
                f"Received: url={shown(str(self.url))!r}"
            )
        if first_use:
            return
        if not isinstance(self.sha256, str) or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"A file's `sha256` must be 64 hexadecimal digits. Received: sha256={self.sha256!r}")

    @classmethod
    def of(cls, path: Path, folder: Path) -> "CardFile":
        """The entry of an existing file."""
        with open_regular(path) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(path.relative_to(folder).as_posix(), path.stat().st_size, digest)

    @property
    def size_text(self) -> str:
        """The size for a message."""
        return "size unknown" if self.size is None else f"{self.size} bytes"

    def read(self, folder: Path, verify: bool = True) -> bytes:
        """The file's content: what was checked is what is returned.

        Args:
            folder: the entry's folder.
            verify: whether to check the hash; the size always is.

        Raises:
            ValueError: if the file is missing, or its size or hash is not the card's.
        """
        path = folder / self.name
        try:
            with open_regular(path) as stream:
                size = os.fstat(stream.fileno()).st_size
            self.check(path, size)
            content = read_regular(path, size)
        except OSError as error:
            raise ValueError(
                f"A file of the entry cannot be read ({error.strerror}). Received: path={str(path)!r}"
            ) from error
        self.check(path, len(content), hashlib.sha256(content).hexdigest() if verify else self.sha256)
        return content

    def check(self, path: Path, size: int, sha256: str | None = None) -> None:
        """Raises a `ValueError` where a file at `path` has not the card's size, or not its hash where that is given."""
        if self.size not in (None, size):
            raise ValueError(
                f"A file is not the one that its card describes: it must have {self.size} bytes. "
                f"Received: path={str(path)!r} of {size} bytes"
            )
        if sha256 not in (None, self.sha256):
            raise ValueError(
                f"A file is not the one that its card describes: its sha256 must be {self.sha256}. "
                f"Received: path={str(path)!r} with sha256={sha256}"
            )

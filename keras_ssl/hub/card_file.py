"""A file of a zoo entry: its name, size and hash."""

import hashlib
import os
import re
from collections.abc import Callable
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
        size: in bytes; None where there is a url and nobody states the size.
        sha256: of the content, 64 hexadecimal digits; or "first-use" where there is a url whose publisher gives
            none: then the first download decides (see `keras_ssl.hub.fetch`).
        url: where it can be downloaded, by https. Defaults to None: it lies beside the card.
        sha256_prefix: how the sha256 begins, of a publisher who gives no more of it: 6 hexadecimal digits at least. A
            file that begins otherwise is refused. Defaults to None: not stated.
        md5: of the content, or how it begins: 6 to 32 hexadecimal digits. A file with another one is refused. Defaults
            to None: not stated.

    Raises:
        ValueError: if the name leads out of the folder, or size, hashes or url are not of their form.
    """

    name: str
    size: int | None
    sha256: str
    url: str | None = None
    sha256_prefix: str | None = None
    md5: str | None = None

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.name).parts if isinstance(self.name, str) else ()
        if not parts or ".." in parts or parts[0].startswith("/") or re.search(r"[\\:\0]", self.name):
            raise ValueError(f"A file's `name` must be a path inside the entry's folder. Received: name={self.name!r}")
        first_use = self.sha256 == FIRST_USE and self.url is not None
        unknown = self.size is None and self.url is not None
        if not unknown and (not isinstance(self.size, int) or isinstance(self.size, bool) or self.size < 0):
            raise ValueError(f"A file's `size` must be a number of bytes. Received: size={self.size!r}")
        if self.url is not None and not (isinstance(self.url, str) and is_allowed(self.url)):
            raise ValueError(
                "A file's `url` must be an address of https (http only on this machine) without user and password. "
                f"Received: url={shown(str(self.url))!r}"
            )
        for key, most in (("sha256_prefix", 64), ("md5", 32)):
            value = getattr(self, key)
            if value is not None and not _is_hex(value, 6, most):
                raise ValueError(
                    f"A file's `{key}` must be 6 to {most} hexadecimal digits (a to f). Received: {key}={value!r}"
                )
        if first_use:
            return
        if not _is_hex(self.sha256, 64, 64):
            raise ValueError(f"A file's `sha256` must be 64 hexadecimal digits. Received: sha256={self.sha256!r}")
        if not self.sha256.startswith(self.sha256_prefix or ""):
            raise ValueError(
                "A file's `sha256_prefix` must be how its `sha256` begins. "
                f"Received: sha256_prefix={self.sha256_prefix!r}, sha256={self.sha256!r}"
            )

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

    @property
    def hash_text(self) -> str:
        """What is known of the file's hash, for people.

        Example:

        >>> CardFile("a.pth", None, "first-use", "https://example.org/a.pth", sha256_prefix="8ff0bc09").hash_text
        'sha256 begins with 8ff0bc09'
        """
        if self.sha256 != FIRST_USE:
            return f"sha256 {self.sha256}"
        known = [f"sha256 begins with {self.sha256_prefix}"] if self.sha256_prefix else []
        if self.md5:
            known.append(f"md5 {'begins with ' if len(self.md5) < 32 else ''}{self.md5}")
        return ", ".join(known) or "no hash published: the first download decides"

    def hash_problem(self, sha256: str, md5: Callable[[], str]) -> str:
        """What of a content's hashes is not what the publisher says, or "".

        Args:
            sha256: of the content.
            md5: gives that of the content; called where the card states one.
        """
        if not sha256.startswith(self.sha256_prefix or ""):
            return f"sha256 {sha256}, which must begin with {self.sha256_prefix}"
        if self.md5 is not None and not (found := md5()).startswith(self.md5):
            return f"md5 {found}, which must {'begin with' if len(self.md5) < 32 else 'be'} {self.md5}"
        return ""

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


def _is_hex(text: object, least: int, most: int) -> bool:
    return isinstance(text, str) and re.fullmatch(f"[0-9a-f]{{{least},{most}}}", text) is not None

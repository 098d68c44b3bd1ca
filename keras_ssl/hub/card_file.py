"""A file of a zoo entry: its name, size and hash."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class CardFile:
    """A file of an entry.

    Args:
        name: path relative to the card's folder, with forward slashes.
        size: in bytes.
        sha256: of the content, 64 hexadecimal digits.

    Raises:
        ValueError: if the name leads out of the folder, or size or hash are not of their form.
    """

    name: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.name).parts if isinstance(self.name, str) else ()
        if not parts or ".." in parts or parts[0] == "/" or re.search(r"[\\:\0]", self.name):
            raise ValueError(f"A file's `name` must be a path inside the entry's folder. Received: name={self.name!r}")
        if not isinstance(self.size, int) or isinstance(self.size, bool) or self.size < 0:
            raise ValueError(f"A file's `size` must be a number of bytes. Received: size={self.size!r}")
        if not isinstance(self.sha256, str) or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"A file's `sha256` must be 64 hexadecimal digits. Received: sha256={self.sha256!r}")

    @classmethod
    def of(cls, path: Path, folder: Path) -> "CardFile":
        """The entry of an existing file."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(path.relative_to(folder).as_posix(), path.stat().st_size, digest)

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
            size = path.stat().st_size
            if size != self.size:
                raise ValueError(
                    f"A file is not the one that its card describes: it must have {self.size} bytes. "
                    f"Received: path={str(path)!r} of {size} bytes"
                )
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(
                f"A file of the entry cannot be read ({error.strerror}). Received: path={str(path)!r}"
            ) from error
        digest = hashlib.sha256(content).hexdigest() if verify else self.sha256
        if digest != self.sha256:
            raise ValueError(
                f"A file is not the one that its card describes: its sha256 must be {self.sha256}. "
                f"Received: path={str(path)!r} with sha256={digest}"
            )
        return content

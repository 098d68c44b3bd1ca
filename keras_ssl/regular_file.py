"""Opening files by names that others chose: no waiting for a FIFO, no reading of a device without an end."""

import errno
import io
import os
import stat

from keras_ssl.paths import user_path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# Of a FIFO that takes the file's place after the first look, opening returns at once. A terminal takes no control.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
_PIECE = 1 << 20


def open_regular(path: str | os.PathLike[str], limit: int | None = None) -> io.BufferedReader:
    """Opens a file for reading in binary, or refuses what is not a regular file.

    Links are followed: what they lead to must be a regular file. Every failure is an `OSError` whose `strerror` is the
    reason in words, so that one `except OSError` of the caller covers missing files, names that no system takes, FIFOs,
    devices, sockets and folders.

    Args:
        path: of the file.
        limit: largest size in bytes. Defaults to None: any. Only the size at opening is compared; to read a file that
            may grow, or one of a virtual file system, whose size is 0, use `read_regular`.

    Raises:
        OSError: if the file cannot be opened, is not a regular file, or is larger than `limit`.

    Example:

    ```python
    with open_regular("photos/1.png") as file:
        start = file.read(8)
    ```
    """
    descriptor, _ = regular_descriptor(path, limit)
    return open(descriptor, "rb")


def regular_descriptor(path: str | os.PathLike[str], limit: int | None = None) -> tuple[int, int]:
    """As `open_regular`, without a file object around it, which takes as long as opening: for a great many files.

    Args:
        path, limit: as for `open_regular`.

    Returns:
        The descriptor, which the caller closes, and the size in bytes.

    Raises:
        OSError: as `open_regular`.

    Example:

    ```python
    descriptor, size = regular_descriptor("photos/1.png")
    start = os.pread(descriptor, 8, 0)
    os.close(descriptor)
    ```
    """
    name = user_path(path)
    try:
        _check(os.stat(name).st_mode, name)  # before it is opened: opening alone can act on a device
        descriptor = os.open(name, _FLAGS)
    except ValueError as error:  # a NUL, or characters that the file system's encoding lacks
        raise OSError(errno.EINVAL, f"No file can have this name: {error}", name) from error
    try:
        status = os.fstat(descriptor)
        _check(status.st_mode, name)
        if limit is not None and status.st_size > limit:
            raise OSError(errno.EFBIG, f"The file has {status.st_size} bytes, which is more than {limit}", name)
        return descriptor, status.st_size
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], limit: int | None = None) -> bytes:
    """The content of a regular file of at most `limit` bytes; no more than one byte beyond them is ever read.

    Args:
        path: of the file.
        limit: largest size in bytes. Defaults to None: the size that the file has when it is opened.

    Raises:
        OSError: as `open_regular`; also if the file turns out to be longer than `limit` as it is read.

    Example:

    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile() as file:
    ...     _ = file.write(b"abc"), file.flush()
    ...     read_regular(file.name, limit=3)
    b'abc'
    """
    content = bytearray()
    with open_regular(path, limit) as file:
        limit = os.fstat(file.fileno()).st_size if limit is None else limit
        while piece := file.read(min(_PIECE, limit + 1 - len(content))):
            content += piece
            if len(content) > limit:
                raise OSError(errno.EFBIG, f"The file has more than {limit} bytes", os.fspath(path))
    return bytes(content)


def _check(mode: int, name: str) -> None:
    kind = stat.S_IFMT(mode)
    if kind != stat.S_IFREG:
        code = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(code, f"Not a regular file but {_KINDS.get(kind, 'something else')}", name)

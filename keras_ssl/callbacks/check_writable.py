"""Whether logs and checkpoints can be written, asked before training."""

import os
import tempfile

from keras_ssl.paths import user_path


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raises if files cannot be written in a folder; makes the folder if it is missing.

    A file is really written (and removed), since permission bits say little on network, full and read-only
    file systems. Addresses such as `gs://...` are not checked.

    Args:
        path: the folder for logs or checkpoints.

    Raises:
        ValueError: if the folder cannot be made or written to, with the system's reason.

    Example:

    >>> check_writable(os.path.join(tempfile.mkdtemp(), "runs", "1"))
    """
    path = user_path(path)
    if "://" in path:
        return
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"0")
            probe.flush()
    except OSError as error:
        raise ValueError(
            f"Argument `path` must be a folder that files can be written to ({error.strerror}). Received: path={path!r}"
        ) from error

"""The one error of the checkpoint readers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

RESAVE = (
    "Where you trust the file, load it with the program that wrote it and save the weights alone: "
    "`torch.save(model.state_dict(), path)`, or a safetensors file."
)
DAMAGED = "The file is damaged or not whole: fetch it again and compare its size and hash."


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or it is refused because it holds more than weights.

    The message says what was found, what to do, and which file it was.

    Example:

    >>> from keras_ssl.checkpoints import read_checkpoint
    >>> try:
    ...     read_checkpoint("nothing.pth")
    ... except CheckpointError as error:
    ...     print(error)
    The checkpoint cannot be read (No such file or directory). Received: path='nothing.pth'
    """


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors raised inside end with the path, and what the system refuses becomes a `CheckpointError`."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{error} Received: path={os.fspath(path)!r}") from error.__cause__
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint cannot be read ({error.strerror or error}). Received: path={os.fspath(path)!r}"
        ) from error


def short(value: object) -> str:
    """`value` as text of at most about 80 characters: a hostile file must not flood the message."""
    if isinstance(value, str | bytes):
        value = value[:81]
    elif not isinstance(value, int | float | None):
        return type(value).__name__
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

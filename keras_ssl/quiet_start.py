"""Imports Keras and its backend without their start-up messages, where the library runs as a command.

TensorFlow tells of CUDA, oneDNN and processor instructions whatever its log level is. A program that imports the
library sees what it saw before.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_command() -> bool:
    """Whether this process is `keras-ssl`, `python -m keras_ssl`, or a file of scripts/."""
    if ["-m", "keras_ssl"] in [sys.orig_argv[place : place + 2] for place in range(1, len(sys.orig_argv))]:
        return True
    path = Path(sys.argv[0] if sys.argv else "")
    return path.name == "keras-ssl" or path.absolute().parent == Path(__file__).parents[1] / "scripts"


@contextmanager
def without_messages() -> Iterator[None]:
    """Keeps what is written to the error stream, by C++ too, and shows it only where an error ends the block."""
    try:
        stderr = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # no stream, or one without a file
        yield
        return
    saved = os.dup(stderr)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), stderr)
        try:
            yield
        except BaseException:
            os.dup2(saved, stderr)
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            os.dup2(saved, stderr)
            os.close(saved)


if is_command():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with without_messages():
        import keras  # noqa: F401

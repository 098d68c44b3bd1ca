"""Imports Keras and its backend without their start-up messages, where the library runs as a command.

A call for help is answered here, before Keras is imported: that takes ten seconds and more on a small machine.

TensorFlow tells of CUDA, oneDNN and processor instructions whatever its log level is. A program that imports the
library sees what it saw before.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_ssl.command_list import HELP, help_text
from keras_ssl.keras_backend import check_backend


def is_keras_ssl() -> bool:
    """Whether this process is `keras-ssl` or `python -m keras_ssl`."""
    if ["-m", "keras_ssl"] in [sys.orig_argv[place : place + 2] for place in range(1, len(sys.orig_argv))]:
        return True
    return Path(sys.argv[0] if sys.argv else "").name == "keras-ssl"


def is_command() -> bool:
    """Whether this process is `keras-ssl`, `python -m keras_ssl`, or a file of scripts/."""
    path = Path(sys.argv[0] if sys.argv else "")
    return is_keras_ssl() or path.absolute().parent == Path(__file__).parents[1] / "scripts"


def asks_for_help() -> bool:
    """Whether this process is `keras-ssl` without a command, or one that shall name the commands."""
    return is_keras_ssl() and (len(sys.argv) < 2 or sys.argv[1] in HELP)


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


if asks_for_help():
    print(help_text())
    raise SystemExit(0)
if "keras" not in sys.modules:
    try:
        check_backend()
    except ImportError as error:
        if is_command():
            sys.exit(f"keras-ssl: error: {error}")
        raise
if is_command():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with without_messages():
        import keras  # noqa: F401

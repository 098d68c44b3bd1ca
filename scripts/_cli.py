"""What the scripts share: a quiet start, errors of the user in one line, the library of a source checkout."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a source checkout need not be installed

from absl import app, logging

from keras_ssl.callbacks import check_writable

logging.set_verbosity(logging.WARNING)

DATA_HELP = (
    "coloured_digits, cifar10, cifar100, an .npz file (x and, if it has them, y, x_test, y_test) or a folder "
    "of images (a class per folder, or unlabelled; in two parts `train` and `test` or `val`, if it has them)."
)


@contextmanager
def user_errors() -> Iterator[None]:
    """Ends the program with one line instead of a traceback: for what is checked before any work is done."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: error: {error}")


def no_arguments(argv: list[str]) -> None:
    """All input comes by flags; what is left over was a mistake."""
    if len(argv) > 1:
        raise app.UsageError(f"Only flags are taken. Received: {' '.join(argv[1:])}")


def writable_folder(flag: str, path: str | Path) -> Path:
    """The folder, made where it is missing; an error that names the flag if nothing can be written there."""
    try:
        check_writable(path)
    except ValueError as error:
        raise ValueError(f"--{flag}: {error}") from error
    return Path(path)


def absent_entry(flag: str, path: str, overwrite: bool) -> None:
    """Raises an error that names the flag if `path` exists and is not to be replaced."""
    if os.path.lexists(path) and not overwrite:
        raise ValueError(f"--{flag} exists already; --overwrite replaces it. Received: --{flag}={path}")


def new_entry(flag: str, path: str, overwrite: bool) -> None:
    """Raises an error that names the flag if `keras_ssl.export` could not write to `path` later on."""
    absent_entry(flag, path, overwrite)
    writable_folder(flag, Path(path).absolute().parent)

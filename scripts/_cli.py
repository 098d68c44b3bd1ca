"""What the scripts share: a quiet start, errors of the user in one line, the library of a source checkout."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a source checkout need not be installed

from absl import app, logging

from keras_ssl.callbacks import check_writable

logging.set_verbosity(logging.WARNING)

DATA_HELP = (
    "coloured_digits, keras:NAME or tfds:NAME (images that keras.datasets or tensorflow_datasets download), an .npz "
    "file (x and, if it has them, y, x_test, y_test), a folder of images (a class per folder, or unlabelled) or of "
    "TFRecord shards, in two parts `train` and `test` or `val`, if it has them."
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


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the same keys as a markdown table with its head; what is not a text or a dict stands at the right."""
    rule = ["---" if isinstance(value, str | dict) else "---:" for value in rows[0].values()]
    cells = [[_cell(key, value).replace("|", "\\|") for key, value in row.items()] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (list(rows[0]), rule, *cells))


def _cell(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    if isinstance(value, float) and key != "seconds":
        return f"{value:.4f}" if abs(value) >= 1e-3 else f"{value:.4g}"
    return "" if value is None else str(value)

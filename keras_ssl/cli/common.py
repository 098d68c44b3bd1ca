"""What the commands share: errors of the user in one line, flags for data, tables."""

import csv
import logging as python_logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.hub import atomic_file
from keras_ssl.paths import user_path
from keras_ssl.workflows.training_run import writable_folder

logging.set_verbosity(logging.WARNING)
# Its warnings are of functions that are traced again, as those of many models are.
python_logging.getLogger("tensorflow").setLevel(python_logging.ERROR)

DATA_HELP = (
    "colored_digits, keras:NAME or tfds:NAME (images that keras.datasets or tensorflow_datasets download), an .npz "
    "file (x and, if it has them, y, x_test, y_test), a .parquet file with a column of paths, a folder of images (a "
    "class per folder, or unlabeled) or of TFRecord shards, in two parts `train` and `test` or `val`, if it has them."
)


MAX_DAMAGED_HELP = "Share of the image files that may be damaged, 0 to 1; they are left out. Default: 0.01."


def program() -> str:
    """What the user has called, for messages: "keras-ssl pretrain", or the script."""
    name = Path(sys.argv[0]).name
    return name if name.endswith(".py") else sys.argv[0]


@contextmanager
def user_errors() -> Iterator[None]:
    """Ends the program with one line instead of a traceback: for what is checked before any work is done.

    Arguments of functions, which messages name in backticks, become the flags of the same names.
    """
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        known = flags.FLAGS.flag_values_dict()
        text = re.sub(
            r"`(\w+)(=[^`]*)?`",
            lambda found: f"--{_as_typed(found[1])}{found[2] or ''}" if found[1] in known else found[0],
            str(error),
        )
        sys.exit(f"{program()}: error: {text}")


def _as_typed(name: str) -> str:
    """A flag's name, or that of the flag it is an alias of where the user has given that one."""
    original = (flags.FLAGS[name].help or "").removeprefix("Alias for --").rstrip(".")
    given = {argument[2:].split("=")[0].replace("-", "_") for argument in sys.argv if argument.startswith("--")}
    return original if original in given and name not in given else name


@contextmanager
def training_errors() -> Iterator[None]:
    """Ends the program with one line where a training cannot begin or go on: what the user can mend."""
    try:
        with user_errors():
            yield
    except FloatingPointError as error:
        sys.exit(f"{program()}: error: {error} (the last good checkpoint is kept)")
    except MemoryError as error:
        sys.exit(f"{program()}: error: {str(error).replace('`batch_size=', '`--batch_size=')}")


def no_arguments(argv: list[str]) -> None:
    """All input comes by flags; what is left over was a mistake."""
    if len(argv) > 1:
        raise app.UsageError(f"Only flags are taken. Received: {' '.join(argv[1:])}")


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the same keys as a markdown table with its head; what is not a text or a dict stands at the right."""
    rule = ["---" if isinstance(value, str | dict) else "---:" for value in rows[0].values()]
    cells = [[_cell(key, value).replace("|", "\\|") for key, value in row.items()] for row in rows]
    return utf8_name("\n".join(f"| {' | '.join(row)} |" for row in (list(rows[0]), rule, *cells)))


def one_name(argv: Sequence[str], flag: str | None, what: str) -> str:
    """What a command works on: its one argument, or the flag.

    Raises:
        UsageError: for none, or more than one.
    """
    given = optional_name(argv, flag, what)
    if given is None:
        raise app.UsageError(f"One {what} is taken. Received: none")
    return given


def optional_name(argv: Sequence[str], flag: str | None, what: str) -> str | None:
    """What a command works on, its one argument or the flag, or None where neither is given.

    Raises:
        UsageError: for more than one.
    """
    given = [*argv[1:], *([] if flag is None else [flag])]
    if len(given) > 1:
        raise app.UsageError(f"One {what} is taken. Received: {' '.join(given)}")
    return given[0] if given else None


def numbers(flag: Any) -> list[float] | None:
    """The numbers of a flag that takes a list of them, or None where it is not given.

    Raises:
        ValueError: for what is no number.
    """
    try:
        return None if flag.value is None else [float(value) for value in flag.value]
    except ValueError:
        raise ValueError(f"`{flag.name}` must be numbers. Received: --{flag.name}={','.join(flag.value)}") from None


def check_outputs(**paths: str | None) -> None:
    """Raises, before any work is done, where nothing can be written to the folder of a file; by the flags' names."""
    for name, path in paths.items():
        if path is not None:
            writable_folder(name, Path(user_path(path)).absolute().parent)


def write_table(path: str | None, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Writes rows to a .csv file, which appears whole or not at all; nothing where no path is given."""
    if path is None:
        return
    with atomic_file(user_path(path)) as staging, open(staging, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_page(path: str | None, page: Callable[[], str]) -> None:
    """Writes an HTML page, which is made only where a path is given."""
    if path is None:
        return
    with atomic_file(user_path(path)) as staging:
        staging.write_text(page(), encoding="utf-8")


def _cell(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    if isinstance(value, float) and key != "seconds":
        return f"{value:.4f}" if abs(value) >= 1e-3 else f"{value:.4g}"
    return "" if value is None else str(value)

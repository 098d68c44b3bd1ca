"""Finds the command that is meant, and runs it."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
from absl import app, flags

from keras_ssl.hub.suggestion import suggestion
from keras_ssl.quiet_start import without_messages

NO_COMMANDS = ("__init__", "common", "run")


def commands() -> dict[str, str]:
    """What each command does, by name: the first line of its file, which is not imported for it."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in NO_COMMANDS:
            text = path.read_text(encoding="utf-8").lstrip("r").removeprefix('"""')
            found[path.stem.replace("_", "-")] = text.split("\n\n")[0].split('"""')[0].replace("\n", " ")
    return found


def run(command: str, arguments: Sequence[str] | None = None) -> None:
    """Runs a command as a program: it ends with an exit code.

    Args:
        command: the name of a file of this package, which has the flags and a `main`; hyphens for its underscores.
        arguments: what follows the command. Defaults to None: those of this program.
    """
    module = importlib.import_module(f"keras_ssl.cli.{command.replace('-', '_')}")
    with without_messages():
        keras.distribution.list_devices()  # TensorFlow tells at length that there is no accelerator
    flags.FLAGS.set_gnu_getopt()  # flags may follow names
    if arguments is not None:
        sys.argv = [f"keras-ssl {command}", *arguments]
    sys.modules["__main__"].__doc__ = module.__doc__  # what absl shows for --help, before the flags of the main module
    for flag in flags.FLAGS.get_key_flags_for_module(module.__name__):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    app.run(module.main, argv=[sys.argv[0], *map(_underscored, sys.argv[1:])])


def _underscored(argument: str) -> str:
    """A flag as absl knows it: `--batch-size=8` is `--batch_size=8`."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def main() -> None:
    """`keras-ssl COMMAND ...`."""
    known = commands()
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command in ("help", "-h", "--help"):
        width = max(map(len, known))
        print("Self-supervised learning for Keras.\n\nkeras-ssl COMMAND --help tells the flags of a command:\n")
        print("\n".join(f"  {name:<{width}}  {what}" for name, what in known.items()))
        return
    if command not in known:
        sys.exit(f"keras-ssl: error: There is no such command. {suggestion(command, known)} Received: {command}")
    run(command, sys.argv[2:])

"""Finds the command that is meant, and runs it."""

import importlib
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
from absl import app, flags

from keras_ssl.cli.common import program
from keras_ssl.cli.flag_errors import parsed
from keras_ssl.command_list import HELP, commands, help_text
from keras_ssl.hub.suggestion import suggestion
from keras_ssl.messages import say
from keras_ssl.quiet_start import without_messages


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
    warnings.showwarning = _in_one_line
    sys.modules["__main__"].__doc__ = module.__doc__  # what absl shows for --help, before the flags of the main module
    for flag in flags.FLAGS.get_key_flags_for_module(module.__name__):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    app.run(
        partial(_without_usage, module.main),
        argv=[sys.argv[0], *map(_underscored, sys.argv[1:])],
        flags_parser=partial(parsed, module=module.__name__),
    )


def _without_usage(main: Any, argv: list[str]) -> None:
    """Runs a command; a mistake in its arguments is told in one line, and not below a page of flags."""
    try:
        main(argv)
    except app.UsageError as error:
        sys.exit(f"{program()}: error: {error} (--help tells the flags)")
    except KeyboardInterrupt:
        say(f"{program()}: interrupted", error=True)
        sys.exit(130)  # that of a program which the signal has ended


def _in_one_line(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
    """Shows a warning without the line of code that it comes from, which tells a user of a command nothing."""
    kind = "" if category is UserWarning else f"{category.__name__}: "
    say(f"warning: {kind}{message}", error=True)


def _underscored(argument: str) -> str:
    """A flag as absl knows it: `--batch-size=8` is `--batch_size=8`."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def main() -> None:
    """`keras-ssl COMMAND ...`."""
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command in HELP:
        print(help_text())
        return
    known = commands()
    if command not in known:
        sys.exit(f"keras-ssl: error: There is no such command. {suggestion(command, known)} Received: {command}")
    run(command, sys.argv[2:])

"""Mistakes in flags, each in one line that names what was meant."""

import sys
from collections.abc import Iterable, Sequence

from absl import flags

from keras_ssl.cli.common import program
from keras_ssl.hub.suggestion import closest


def parsed(argv: Sequence[str], module: str) -> list[str]:
    """The arguments that are no flags; ends the program with one line where a flag is unknown, missing or bad.

    Args:
        argv: of the program, its name first.
        module: the module that defines the flags of the command.
    """
    known = [flag.name for flag in flags.FLAGS.get_key_flags_for_module(module)]
    try:
        return list(flags.FLAGS(list(argv)))
    except flags.UnrecognizedFlagError as error:
        text = unknown_flag(error.flagname, known)
    except flags.IllegalFlagValueError as error:
        text = bad_value(str(error))
    except flags.Error as error:
        text = str(error)
    except SystemExit:
        sys.exit(0)  # help was asked for and is told: absl ends with 1
    sys.exit(f"{program()}: error: {text}")


def shown(name: str) -> str:
    """A flag as people write it.

    Example:

    >>> shown("batch_size")
    '--batch-size'
    """
    return f"--{name.replace('_', '-')}"


def unknown_flag(name: str, known: Iterable[str]) -> str:
    """What is said of a flag that is none, by the names of those that are.

    Example:

    >>> unknown_flag("img_size", ["image_size", "epochs"])
    'There is no such flag. Closest: --image-size. Received: --img-size'
    """
    known = list(known)
    close = closest(name, known)
    offers = [f"Closest: {', '.join(map(shown, close))}." if close else "--help names all."]
    if "set" in known:
        offers.append("What has no flag of its own is set by its name, as in --set optimizer.learning_rate=0.1.")
    return f"There is no such flag. {' '.join(offers)} Received: {shown(name)}"


def bad_value(text: str) -> str:
    """What is said of values that flags do not take, or of flags that are missing, by absl's message.

    Example:

    >>> bad_value("flag --out=None: Flag --out must have a value other than None.")
    '--out must be given. Received: none'
    """
    missing = [line.split("=")[0].strip().removeprefix("flag --") for line in text.splitlines() if "=None: " in line]
    if missing:
        return f"{' and '.join(map(shown, missing))} must be given. Received: none"
    name, _, rest = text.removeprefix("flag --").partition("=")
    value, _, problem = rest.partition(": ")
    return f"{shown(name)} does not take this value: {problem.rstrip('.')}. Received: {shown(name)}={value}"

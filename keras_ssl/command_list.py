"""The commands of `keras-ssl`, told without importing Keras or any of them."""

from pathlib import Path

_NO_COMMANDS = ("__init__", "common", "flag_errors", "run")
HELP = ("help", "-h", "--help")


def commands() -> dict[str, str]:
    """What each command does, by name: the first line of its file, which is not imported for it."""
    found = {}
    for path in sorted((Path(__file__).parent / "cli").glob("*.py")):
        if path.stem not in _NO_COMMANDS:
            text = path.read_text(encoding="utf-8").lstrip("r").removeprefix('"""')
            found[path.stem.replace("_", "-")] = text.split("\n\n")[0].split('"""')[0].replace("\n", " ")
    return found


def help_text() -> str:
    """What `keras-ssl help` prints."""
    known = commands()
    width = max(map(len, known))
    rows = "\n".join(f"  {name:<{width}}  {what}" for name, what in known.items())
    return f"Self-supervised learning for Keras.\n\nkeras-ssl COMMAND --help tells the flags of a command:\n\n{rows}"

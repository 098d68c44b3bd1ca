"""The zoo on this machine: what there is, what of it is here, whether it is sound; and a mirror of it.

    keras-ssl zoo list
    keras-ssl zoo show NAME
    keras-ssl zoo fetch NAME... --accept_license=CC-BY-NC-4.0
    keras-ssl zoo verify NAME...        (or --all)
    keras-ssl zoo publish FOLDER NAME...
    keras-ssl zoo push NAME OWNER/NAME
    keras-ssl zoo repository NAME FOLDER
    keras-ssl zoo card FILE

A NAME is one that `list` shows, the folder of an entry, or hf://OWNER/NAME@REVISION of the Hugging Face Hub. `fetch`
downloads the weights. `verify` hashes the files that are here and computes the golden features anew; it ends with an
error where one is not as it was. `publish` writes a folder that any web server can host and that KERAS_SSL_ZOO then
names as a mirror; without a NAME, of all entries whose weights are here. `push` uploads an entry to a repository of the
Hugging Face Hub as the user of HF_TOKEN; `repository` writes the folder that it would upload. `card` checks a card and
says what it says; where there is no such file, it writes one to fill in.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags

from keras_ssl import hub
from keras_ssl.cli.common import user_errors
from keras_ssl.hub.card_skeleton import card_skeleton
from keras_ssl.hub.card_text import card_text, size_text
from keras_ssl.hub.catalogue import Entry, entries, find
from keras_ssl.hub.catalogue_table import catalogue_row
from keras_ssl.hub.license_gate import check_license
from keras_ssl.messages import say
from keras_ssl.paths import user_path

_ACCEPT_LICENSE = flags.DEFINE_string("accept_license", None, "License of weights that are not for commercial use.")
_ALL = flags.DEFINE_bool("all", False, "For `verify`: every entry.")
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "Where downloads are kept. Default: KERAS_SSL_CACHE or the system's."
)
_HEADS = flags.DEFINE_bool("heads", False, "For `fetch`: also what is needed to go on pretraining.")
_MIRROR = flags.DEFINE_string("mirror", None, "Folder or address to download from first.")
_PRIVATE = flags.DEFINE_bool("private", False, "For `push`: make a repository that only its owner can read.")
_REQUIRE_HASH = flags.DEFINE_bool("require_hash", False, "For `fetch`: refuse a file without a full sha256.")
flags.FLAGS.set_gnu_getopt()  # flags may follow names


def list_entries(names: list[str]) -> None:
    _count("list", names, 0, 0)
    rows: list[tuple[str, ...]] = [("name", "license", "size", "here", "channels", "hash", "architecture")]
    for name, entry in sorted(entries().items()):
        told = catalogue_row(name, entry.read_card())
        here, size = _here(entry)
        size_column = "?" if size is None else size_text(size)
        place = "yes" if here else "no"
        rows.append((name, told.license, size_column, place, told.channels, told.hash, told.architecture))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    say(
        "\n(ask): not for commercial use; needs accept_license. Size ?: the publisher does not say; once here, known. "
        "Hash: all of the sha256, its beginning or an md5 is known, or the first download decides."
    )


def show(names: list[str]) -> None:
    _count("show", names, 1, 1)
    entry = find(names[0], cache_dir=_CACHE_DIR.value)
    here, _ = _here(entry)
    say(card_text(entry.read_card()))
    say(f"  {'here:':<15}{'yes' if here else 'no'}, {entry.folder if here else 'keras-ssl zoo fetch downloads it'}")


def fetch(names: list[str]) -> None:
    _count("fetch", names, 1)
    found = [find(name, cache_dir=_CACHE_DIR.value, require_hash=_REQUIRE_HASH.value) for name in names]
    for entry in found:
        check_license(entry.read_card(), _ACCEPT_LICENSE.value)
    for entry in found:
        card = entry.read_card()
        heads = [card.heads_file] if _HEADS.value and card.heads_file is not None else []
        for file in [*card.weight_files, *heads]:
            found_file, folder = entry.locate(
                file, cache_dir=_CACHE_DIR.value, mirror=_MIRROR.value, require_hash=_REQUIRE_HASH.value
            )
            say(f"{entry.name}: {folder / found_file.name}, {size_text(found_file.size)}, sha256 {found_file.sha256}")


def verify(names: list[str]) -> None:
    if bool(names) == _ALL.value:
        raise ValueError(f"verify takes names, or --all. Received: {' '.join(names) or 'neither'}")
    bad = []
    for name in sorted(entries()) if _ALL.value else names:
        for finding in hub.verify(name, cache_dir=_CACHE_DIR.value):
            say(f"{name}: {finding.state:<8}{finding.what}: {finding.detail}")
            if finding.state == "bad":
                bad.append(f"{name}: {finding.what}")
    if bad:
        raise ValueError(f"{len(bad)} not as they must be: {'; '.join(bad)}")


def publish(names: list[str]) -> None:
    _count("publish", names, 1)
    written = hub.publish(names[0], names[1:] or None, **_reading())
    say(f"Published to {names[0]}: {', '.join(written) or 'nothing, since no weights are here'}")


def push(names: list[str]) -> None:
    _count("push", names, 2, 2)
    address = hub.push(names[0], names[1], private=_PRIVATE.value, **_reading())
    say(f"Uploaded: keras_ssl.load({address!r})")


def repository(names: list[str]) -> None:
    _count("repository", names, 2, 2)
    folder = hub.write_repository(names[0], names[1], **_reading())
    say(f"Written to {folder}: upload it by huggingface_hub, git or the site")


def card(names: list[str]) -> None:
    _count("card", names, 1, 1)
    path = Path(user_path(names[0]))
    if path.exists():
        read = hub.Card.read(path)
        if read.architecture_file is None:
            read.build_encoder()
        say(card_text(read))
        return
    with hub.atomic_file(path) as staging:
        staging.write_text(card_skeleton(path.stem), encoding="utf-8")
    say(f"Written to {path}: fill it in, then keras-ssl zoo card {path}")


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "list": list_entries,
    "show": show,
    "fetch": fetch,
    "verify": verify,
    "publish": publish,
    "push": push,
    "repository": repository,
    "card": card,
}


def _reading() -> dict[str, Any]:
    """How an entry's files are had, as the flags say."""
    return {"accept_license": _ACCEPT_LICENSE.value, "cache_dir": _CACHE_DIR.value, "mirror": _MIRROR.value}


def _count(command: str, names: list[str], least: int, most: int | None = None) -> None:
    """Raises where a command is given too few or too many names."""
    if len(names) < least or (most is not None and len(names) > most):
        exact = {0: "no name", 1: "one name", 2: "two names"}
        wanted = exact[least] if least == most else "at least one name"
        raise ValueError(f"{command} takes {wanted}. Received: {' '.join(names) or 'none'}")


def _here(entry: Entry) -> tuple[bool, int | None]:
    """Whether all that `load` reads is on this machine, and its size in bytes, where that is known."""
    places = [entry.expected(file, _CACHE_DIR.value) for file in entry.read_card().weight_files]
    here = all(path.is_file() for path, _, _ in places)
    sizes = [path.stat().st_size if here else size for path, size, _ in places]
    return here, None if None in sizes else sum(size or 0 for size in sizes)


def main(argv: list[str]) -> None:
    command, names = (argv[1] if len(argv) > 1 else ""), argv[2:]
    with user_errors():
        if command not in COMMANDS:
            raise ValueError(f"The command must be one of {', '.join(COMMANDS)}. Received: {command or 'none'}")
        COMMANDS[command](names)

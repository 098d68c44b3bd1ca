"""Entries as a tree of files that any web server can host, and that then serves as a mirror."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_ssl.hub.atomic import atomic_file, remove_leftovers
from keras_ssl.hub.card import CARD_NAME, Card
from keras_ssl.hub.card_file import CardFile
from keras_ssl.hub.catalogue import Entry, find, list_models
from keras_ssl.hub.download import LEFTOVER_AGE
from keras_ssl.hub.license_gate import check_license
from keras_ssl.hub.published_index import index_texts
from keras_ssl.paths import user_path
from keras_ssl.regular_file import open_regular

_PIECE = 1 << 20


def publish(
    destination: str | os.PathLike[str],
    names: Iterable[str | os.PathLike[str]] | None = None,
    *,
    accept_license: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    mirror: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> list[str]:
    """Writes entries into a folder that a static web server can host, or that others mount.

    Each entry is a folder with its files and a card that says size and sha256 of each, those of a first download too.
    `index.json` and `index.html` list what is in the tree, also what was published before. Named in the environment's
    `KERAS_SSL_ZOO`, the folder or its address is a mirror; `keras_ssl.load` reads an entry's folder in it as well.

    A file appears under its name when it is whole and compared with the card: first the files, then the card, then the
    index. One that is there already and the same is left as it is.

    Args:
        destination: the folder, made where it is missing.
        names: of entries, or paths of entries' folders; what is not on this machine is downloaded. Defaults to all of
            `list_models()` whose weights are on this machine.
        accept_license: as for `load`.
        cache_dir: where downloaded files are kept. Defaults to `keras_ssl.hub.cache_folder()`.
        mirror: a folder or base address to download from, before those of the environment and the publisher's.
        progress: whether to show how far a download is. Defaults to True.

    Returns:
        Names of the entries that were written.

    Raises:
        ValueError: if there is no such entry, its license is not accepted, or a file is not its card's.
        DownloadError: if a file cannot be downloaded.
        OSError: if the folder cannot be written to.

    Example:

    ```python
    keras_ssl.hub.publish("/srv/www/zoo", ["barlow_digits"])  # then KERAS_SSL_ZOO=https://example.org/zoo
    ```
    """
    names = [name for name in list_models() if _is_here(find(name), cache_dir)] if names is None else list(names)
    entries = [find(name, cache_dir=cache_dir) for name in names]
    cards = [entry.read_card() for entry in entries]
    for card in cards:
        check_license(card, accept_license)
    folder = Path(user_path(destination)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    where = {"cache_dir": cache_dir, "mirror": mirror, "progress": progress}
    for entry, card in zip(entries, cards, strict=True):
        # What can fail goes first: a weight file that is not the card's leaves nothing behind.
        ordered = sorted(card.files, key=lambda file: file not in card.weight_files)
        found = {file.name: _publish_file(entry, card, file, folder / entry.name, where) for file in ordered}
        files = tuple(found[file.name] for file in card.files)
        with _written(folder / entry.name / CARD_NAME) as staging:
            replace(card, files=files).write(staging)
    texts = index_texts(folder)
    for name, text in texts.items():
        with _written(folder / name) as staging:
            staging.write_text(text, encoding="utf-8")
    return [entry.name for entry in entries]


def _is_here(entry: Entry, cache_dir: str | os.PathLike[str] | None) -> bool:
    return all(os.path.isfile(entry.expected(file, cache_dir)[0]) for file in entry.read_card().weight_files)


def _publish_file(entry: Entry, card: Card, file: CardFile, folder: Path, where: dict[str, Any]) -> CardFile:
    """Copies a file of an entry, downloaded if need be; returns what the published card is to say about it."""
    optional = file.url is not None and file not in card.weight_files
    if optional and not os.path.isfile(entry.expected(file, where["cache_dir"])[0]):
        return file  # a large file that few want stays where it is
    found, place = entry.locate(file, **where)
    copy_file(place / found.name, folder / file.name, found)
    return replace(found, name=file.name)


def copy_file(source: Path, target: Path, file: CardFile) -> None:
    """Copies a file unless it is there; what is copied is what was compared.

    Raises:
        ValueError: if the file has not the sha256 of `file`.
    """
    if target.is_file() and _digest(target) == file.sha256:
        return
    with _written(target) as staging, open_regular(source, file.size) as stream, staging.open("wb") as copy:
        shutil.copyfileobj(stream, copy, _PIECE)
        copy.flush()
        os.fsync(copy.fileno())
        digest = _digest(staging)
        if digest != file.sha256:
            raise ValueError(
                f"A file is not the one that its card describes: its sha256 must be {file.sha256}. "
                f"Received: path={str(source)!r} with sha256={digest}"
            )


def _digest(path: Path) -> str:
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _written(target: Path) -> Iterator[Path]:
    """As `atomic_file`, in a folder that is made, and without what killed processes left in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target, LEFTOVER_AGE)
    with atomic_file(target) as staging:
        yield staging

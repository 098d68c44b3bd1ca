"""The entries and recipes that come with the library, by name."""

import os
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from keras_ssl.hub.cached_file import expected_hash
from keras_ssl.hub.card import CARD_NAME, Card
from keras_ssl.hub.card_file import FIRST_USE, CardFile
from keras_ssl.hub.download import fetch
from keras_ssl.hub.environment import cache_folder, environment_mirrors
from keras_ssl.hub.license_gate import is_non_commercial
from keras_ssl.hub.suggestion import suggestion


@dataclass(frozen=True)
class Entry:
    """An entry of the zoo on this machine.

    Args:
        name: what `load` calls it.
        card_path: its card; the files that the card lists lie beside it, or can be downloaded.
    """

    name: str
    card_path: Path

    @property
    def folder(self) -> Path:
        """Where the entry's files are."""
        return self.card_path.parent

    def read_card(self) -> Card:
        """The entry's card."""
        return Card.read(self.card_path)

    def locate(
        self,
        file: CardFile,
        *,
        cache_dir: str | os.PathLike[str] | None = None,
        mirror: str | os.PathLike[str] | None = None,
        require_hash: bool = False,
        progress: bool = True,
    ) -> tuple[CardFile, Path]:
        """Where one of the card's files is, downloaded if need be: what to call `read` of, and on which folder.

        A file beside the card is taken as it is; one that has a url, and no known hash or no place there, is in
        the cache as `name/file.name`, and goes by that name in mirrors. For the arguments and errors see
        `keras_ssl.hub.fetch`; `mirror` comes before those of the environment.
        """
        if self._is_beside(file):
            return file, self.folder
        wanted = self._wanted(file)
        mirrors = environment_mirrors() if mirror is None else [mirror, *environment_mirrors()]
        target = fetch(wanted, cache_dir, mirrors, require_hash=require_hash, progress=progress)
        digest = expected_hash(wanted, target) or FIRST_USE
        return replace(wanted, size=target.stat().st_size, sha256=digest), cache_folder(cache_dir)

    def expected(
        self, file: CardFile, cache_dir: str | os.PathLike[str] | None = None
    ) -> tuple[Path, int | None, str | None]:
        """Path, size and sha256 of one of the card's files, whether it is there or not; None is not known yet.

        Raises:
            DownloadError: if the record of a first download is damaged.
        """
        if self._is_beside(file):
            return self.folder / file.name, file.size, file.sha256
        wanted = self._wanted(file)
        target = cache_folder(cache_dir) / wanted.name
        return target, file.size, expected_hash(wanted, target)

    def _is_beside(self, file: CardFile) -> bool:
        return file.url is None or (file.sha256 != FIRST_USE and (self.folder / file.name).is_file())

    def _wanted(self, file: CardFile) -> CardFile:
        """The file under its name in caches and mirrors."""
        return replace(file, name=f"{self.name}/{file.name}")


def list_models(*, non_commercial: bool = False) -> list[str]:
    """Sorted names of the pretrained encoders that `load` knows by name.

    They are the folders of the package `keras_ssl.saved_models` (`saved_models/` in a source checkout) and
    the cards of the package `keras_ssl.zoo` (`zoo/`) whose weights lie beside them or can be downloaded.

    What is listed can be loaded by its name alone, and used for anything: who picks a name here need not read
    licences. So those whose publisher forbids commercial use are listed only on demand.

    Args:
        non_commercial: whether to list those too that `load` gives only with `accept_license`. Defaults to False.

    Raises:
        ValueError: if two entries have the same name.

    Example:

    >>> isinstance(list_models(), list)
    True
    """
    found = entries()
    return sorted(name for name in found if non_commercial or not is_non_commercial(found[name].read_card()))


def entries(only: str | None = None) -> dict[str, Entry]:
    """The catalogue: every entry by its name. With `only`, that one alone if it is there; no other card is read."""
    found: dict[str, Entry] = {}
    for name, card_path in [*_saved_models(only), *_zoo(only)]:
        if name in found:
            raise ValueError(
                f"Two entries have the same name. Received: {str(found[name].card_path)!r} and {str(card_path)!r}"
            )
        found[name] = Entry(name, card_path)
    return found


def find(name_or_path: str | os.PathLike[str]) -> Entry:
    """The entry of a name of the catalogue, or of the path of an entry's folder.

    A text without a separator is a name if the catalogue has it, else a path.

    Raises:
        ValueError: if there is none; the message suggests the closest names.
    """
    text = os.fspath(name_or_path)
    named = entries(text)
    if named:
        return named[text]
    folder = Path(text)
    if (folder / CARD_NAME).is_file():
        return Entry(folder.resolve().name, folder / CARD_NAME)
    if folder.exists():
        raise ValueError(f"The path is not an entry: it has no {CARD_NAME}. Received: name_or_path={text!r}")
    raise ValueError(
        f"No pretrained encoder has this name, nor is it a path. {suggestion(text, entries())} "
        f"Received: name_or_path={text!r}"
    )


def data_folder(name: str) -> Path:
    """The folder `name` ("zoo" or "saved_models") of the installed library, or of its source checkout.

    An installed library has it inside its package, a source checkout (editable installs too) beside it.
    """
    package = Path(str(resources.files("keras_ssl")))
    checkout = package.parent
    if not (package / name).is_dir() and (checkout / "setup.py").is_file():
        return checkout / name
    return package / name


def _saved_models(only: str | None) -> list[tuple[str, Path]]:
    cards = sorted(data_folder("saved_models").glob(f"*/{CARD_NAME}"))
    return [(path.parent.name, path) for path in cards if only in (None, path.parent.name)]


def _zoo(only: str | None) -> list[tuple[str, Path]]:
    cards = sorted(data_folder("zoo").glob("*.toml"))
    return [(path.stem, path) for path in cards if only in (None, path.stem) and _has_weights(path)]


def _has_weights(card_path: Path) -> bool:
    files = Card.read(card_path).weight_files
    return all(file.url is not None or (card_path.parent / file.name).is_file() for file in files)

"""The entries and recipes that come with the library, by name."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from keras_ssl.check_number import check_number
from keras_ssl.hub.cached_file import expected_hash
from keras_ssl.hub.card import CARD_NAME, Card
from keras_ssl.hub.card_file import FIRST_USE, CardFile
from keras_ssl.hub.card_size import channels_of
from keras_ssl.hub.download import fetch
from keras_ssl.hub.environment import cache_folder, environment_mirrors
from keras_ssl.hub.hugging_face_repository import HuggingFaceRepository, is_hub_address
from keras_ssl.hub.license_gate import is_non_commercial
from keras_ssl.hub.not_shipped import why_not_shipped
from keras_ssl.hub.parse_text import shown_path
from keras_ssl.hub.suggestion import is_path, suggestion
from keras_ssl.losses.numeric import check_integer
from keras_ssl.paths import user_path
from keras_ssl.regular_file import open_regular


@dataclass(frozen=True)
class Entry:
    """An entry of the zoo on this machine.

    Args:
        name: what `load` calls it.
        card_path: its card; the files that the card lists lie beside it, or can be downloaded.
        repository: on the Hugging Face Hub, from which files that should lie beside the card are brought. Defaults to
            None.
    """

    name: str
    card_path: Path
    repository: HuggingFaceRepository | None = None

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
        if self.repository is not None and file.url is None:
            self.repository.bring(file, progress)
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

    def check_sizes(self, files: Iterable[CardFile]) -> None:
        """Raises a `ValueError` where a file beside the card has another size than the card says.

        The sizes bound what is built, which comes before the files are read.
        """
        for file in files:
            if self._is_beside(file):
                path = self.folder / file.name
                if self.repository is not None and not path.is_file():
                    self.repository.check_size(file)
                    continue
                try:
                    with open_regular(path) as stream:
                        file.check(path, os.fstat(stream.fileno()).st_size)
                except OSError as error:
                    raise ValueError(
                        f"A file of the entry cannot be read ({error.strerror}). Received: path={str(path)!r}"
                    ) from error

    def can_download(self, file: CardFile) -> bool:
        """Whether a file of the card that is not on this machine can be had from elsewhere."""
        return file.url is not None or self.repository is not None

    def _is_beside(self, file: CardFile) -> bool:
        return file.url is None or (file.sha256 != FIRST_USE and os.path.isfile(self.folder / file.name))

    def _wanted(self, file: CardFile) -> CardFile:
        """The file under its name in caches and mirrors."""
        return replace(file, name=f"{self.name}/{file.name}")


PERMISSIVE = ("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "ISC", "MIT", "Unlicense")
"""SPDX names of licenses that allow every use, with at most a notice."""


def list_models(
    *,
    non_commercial: bool = False,
    license: str | None = None,
    channels: int | None = None,
    min_knn: float | None = None,
) -> list[str]:
    """Sorted names of the pretrained encoders that `load` knows by name.

    They are the folders of the package `keras_ssl.saved_models` (`saved_models/` in a source checkout) and
    the cards of the package `keras_ssl.zoo` (`zoo/`) whose weights lie beside them or can be downloaded.

    What is listed can be loaded by its name alone, and used for anything: who picks a name here need not read
    licenses. So those whose publisher forbids commercial use are listed only on demand.

    Args:
        non_commercial: whether to list those too that `load` gives only with `accept_license`. Defaults to False.
        license: SPDX name that an entry must have, which lists those of a non-commercial license too; or "permissive"
            for the licenses of `keras_ssl.hub.catalogue.PERMISSIVE`. Defaults to None: any.
        channels: that the encoder's images must have. Defaults to None: any.
        min_knn: percent that the publisher's claim of a nearest-neighbor accuracy on ImageNet must reach; an entry
            without such a claim is not listed. Defaults to None: any.

    Raises:
        ValueError: if two entries have the same name, or an argument is of another kind.

    Example:

    >>> "barlow_digits" in list_models(license="permissive", channels=3)
    True
    """
    if license is not None and not isinstance(license, str):
        raise ValueError(f'`license` must be an SPDX name or "permissive". Received: license={license!r}')
    if channels is not None:
        check_integer("channels", channels, 1)
    if min_knn is not None:
        check_number("min_knn", min_knn, 0.0, 100.0)

    def wanted(card: Card) -> bool:
        if license is None:
            fits = non_commercial or not is_non_commercial(card)
        else:
            fits = card.license in PERMISSIVE if license == "permissive" else card.license == license
        knn = card.claims.get("imagenet_knn_top1")
        return (
            fits
            and (channels is None or _channels(card) == channels)
            and (min_knn is None or (isinstance(knn, int | float) and knn >= min_knn))
        )

    return sorted(name for name, entry in entries().items() if wanted(entry.read_card()))


def _channels(card: Card) -> int | None:
    """Channels of an encoder's images."""
    if not card.preprocessing:
        return None
    return channels_of(card.architecture.get("arguments", {}))


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


def find(
    name_or_path: str | os.PathLike[str],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    require_hash: bool = False,
) -> Entry:
    """The entry of a name of the catalogue, the path of an entry's folder, or a repository of the Hugging Face Hub.

    A text without a separator is a name if the catalogue has it, else a path. Of a repository the card is downloaded,
    unless it is here.

    Args:
        name_or_path: as for `keras_ssl.load`.
        cache_dir: as for `keras_ssl.load`.
        require_hash: whether the address of a repository must name a commit. Defaults to False.

    Raises:
        ValueError: if there is none; the message suggests the closest names, or says why a well-known one is missing.
        ImportError: for the address of a repository, without `huggingface_hub`.
        DownloadError: if the card cannot be downloaded.
    """
    text = os.fsdecode(name_or_path)
    if is_hub_address(text):
        repository = HuggingFaceRepository.at(text, cache_dir, require_hash)
        return Entry(repository.name.split("/")[1], repository.folder / CARD_NAME, repository)
    named = entries(text)
    if named:
        return named[text]
    folder = Path(user_path(text))
    received = f"Received: name_or_path={shown_path(text)}"
    if os.path.isfile(folder / CARD_NAME):  # unlike `Path.is_file`, it is false for names that no file can have
        return Entry(folder.resolve().name, folder / CARD_NAME)
    if os.path.exists(folder):
        advice = ""
        if os.path.isfile(folder / "recipe.toml"):  # as a run of `pretrain` calls it
            advice = " It is a run: `keras-ssl export --logdir=... --output=saved_models/NAME` makes an entry of it."
        raise ValueError(f"The path is not an entry: it has no {CARD_NAME}.{advice} {received}")
    if is_path(text):
        raise ValueError(f"There is no such folder. {received}")
    advice = why_not_shipped(text) or suggestion(text, entries())
    raise ValueError(f"No pretrained encoder has this name, nor is it a path. {advice} {received}")


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
    return all(file.url is not None or os.path.isfile(card_path.parent / file.name) for file in files)

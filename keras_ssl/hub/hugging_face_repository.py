"""An entry in a repository of the Hugging Face Hub: which commit, and its files as they are needed."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from keras_ssl.hub.card import CARD_NAME
from keras_ssl.hub.card_file import CardFile
from keras_ssl.hub.download_error import DownloadError
from keras_ssl.hub.environment import cache_folder, is_set
from keras_ssl.hub.parse_text import MAX_TEXT, shown_path
from keras_ssl.messages import say

PREFIX = "hf://"
_NAME = r"(?![^/@]*(?:--|\.\.))[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_ADDRESS = re.compile(rf"{PREFIX}({_NAME}/{_NAME})(?:@([A-Za-z0-9][A-Za-z0-9._/-]*))?")
_COMMIT = re.compile("[0-9a-f]{40}")
_told: set[str] = set()


@dataclass(frozen=True)
class HuggingFaceRepository:
    """A repository of the Hugging Face Hub at one commit, and the folder that holds what of it is on this machine.

    The files are brought by `huggingface_hub`, with its tokens and settings (`HF_TOKEN`, `HF_ENDPOINT`,
    `HF_HUB_OFFLINE`), and keep its layout in `huggingface` of this library's cache.

    Args:
        name: "owner/name".
        commit: 40 hexadecimal digits.
        cache: where `huggingface_hub` keeps the files.
    """

    name: str
    commit: str
    cache: Path

    @classmethod
    def at(
        cls, address: str, cache_dir: str | os.PathLike[str] | None = None, require_hash: bool = False
    ) -> "HuggingFaceRepository":
        """The repository of an address, with its card in the folder.

        Args:
            address: `hf://owner/name@revision`. A revision of 40 hexadecimal digits is a commit: of one whose files are
                here, nobody is asked. Any other, such as a branch, or none, is looked up, and its commit told.
            cache_dir: as for `keras_ssl.hub.cache_folder`.
            require_hash: whether only a commit will do. Defaults to False.

        Raises:
            ImportError: without `huggingface_hub`.
            ValueError: if the address is none, names no commit where `require_hash` is set, or leads to no entry.
            DownloadError: if the Hub cannot be asked.
        """
        name, revision = _parsed(address)
        pinned = revision is not None and _COMMIT.fullmatch(revision) is not None
        if require_hash and not pinned:
            raise ValueError(
                f"`require_hash` takes a commit of 40 hexadecimal digits, {PREFIX}{name}@COMMIT, and no branch, which "
                f"moves. Received: require_hash=True, name_or_path={address!r}"
            )
        cache = cache_folder(cache_dir) / "huggingface"
        if pinned:
            here = cls(name, str(revision), cache)
            hub_client()
            if (here.folder / CARD_NAME).is_file():
                return here
        elif is_set("KERAS_SSL_OFFLINE"):
            raise DownloadError(
                f"Which commit {revision or 'the main branch'} is at cannot be asked, as KERAS_SSL_OFFLINE forbids it: "
                f"name one that is in the cache{_known(name, cache)}. Received: name_or_path={address!r}"
            )
        found = cls(name, _asked_commit(address, name, revision, pinned), cache)
        found._bring(CARD_NAME, MAX_TEXT)
        if not pinned and found.address not in _told:
            _told.add(found.address)
            say(f"{address} is at commit {found.commit}; {found.address} stays the same.", error=True)
        return found

    @property
    def address(self) -> str:
        """What `load` takes to read the same files again."""
        return f"{PREFIX}{self.name}@{self.commit}"

    @property
    def folder(self) -> Path:
        """Where the files of this commit are, the card among them."""
        return self.cache / f"models--{self.name.replace('/', '--')}" / "snapshots" / self.commit

    def check_size(self, file: CardFile) -> None:
        """Raises a `ValueError` where the Hub's file has another size than the card says. Nothing is downloaded.

        Raises:
            DownloadError: if the Hub cannot be asked.
        """
        file.check(self.folder / file.name, self._size(file.name))

    def bring(self, file: CardFile, progress: bool = True) -> None:
        """Downloads a file of the card into the folder, where it is not yet there.

        Raises:
            ValueError: if the Hub has no such file, or another one than the card says: nothing is kept of it.
            DownloadError: if it cannot be downloaded.
        """
        path = self.folder / file.name
        if path.is_file():
            return
        self._bring(file.name, file.size, progress)
        try:
            file.check(path, path.stat().st_size, CardFile.of(path, self.folder).sha256)
        except ValueError:
            if path.is_symlink():  # to the content, which the client keeps by its hash
                Path(path.parent, os.readlink(path)).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise

    def _bring(self, name: str, limit: int | None, progress: bool = True) -> None:
        client = hub_client()
        size = self._size(name)
        if limit is not None and size > limit:
            raise ValueError(
                f"A file on the Hub must have at most {limit} bytes. Received: {name} of {size} bytes in {self.address}"
            )
        with asking(self.address, name):
            bar = None if progress and name != CARD_NAME else partial(client.utils.tqdm, disable=True)
            found = client.hf_hub_download(self.name, name, revision=self.commit, cache_dir=self.cache, tqdm_class=bar)
        if Path(found) != self.folder / name:
            raise DownloadError(f"The Hub gave a file of another commit. Received: {found!r} for {self.address}")

    def _size(self, name: str) -> int:
        """Bytes of a file on the Hub."""
        client = hub_client()
        if is_set("KERAS_SSL_OFFLINE"):
            raise DownloadError(
                f"{name} is not in the cache, and KERAS_SSL_OFFLINE forbids to download it. Received: {self.address}"
            )
        with asking(self.address, name):
            url = client.hf_hub_url(self.name, name, revision=self.commit)
            size = client.get_hf_file_metadata(url).size
        if size is None:
            raise DownloadError(f"The Hub does not say how large {name} is. Received: {self.address}")
        return int(size)


def is_hub_address(text: str) -> bool:
    """Whether a name for `load` is meant as an address of the Hugging Face Hub.

    Example:

    >>> is_hub_address("hf://owner/name"), is_hub_address("barlow_digits")
    (True, False)
    """
    return text.startswith(PREFIX)


def repository_name(argument: str, text: str) -> str:
    """Raises a `ValueError` that names the argument where a text is no "owner/name"; returns the text.

    Example:

    >>> repository_name("repository", "owner/name")
    'owner/name'
    """
    if not isinstance(text, str) or re.fullmatch(f"{_NAME}/{_NAME}", text) is None:
        raise ValueError(f"`{argument}` must be of the form owner/name. Received: {argument}={text!r}")
    return text


def _parsed(address: str) -> tuple[str, str | None]:
    match = _ADDRESS.fullmatch(address)
    if match is None or ".." in address:
        raise ValueError(
            f"An address of the Hugging Face Hub is {PREFIX}owner/name or {PREFIX}owner/name@revision. "
            f"Received: name_or_path={shown_path(address)}"
        )
    return match[1], match[2]


def _asked_commit(address: str, name: str, revision: str | None, pinned: bool) -> str:
    """The commit of a revision, of a repository that has a card."""
    client = hub_client()
    if is_set("KERAS_SSL_OFFLINE"):
        raise DownloadError(
            f"{CARD_NAME} of this commit is not in the cache, and KERAS_SSL_OFFLINE forbids to download it. "
            f"Received: name_or_path={address!r}"
        )
    with asking(address):
        info = client.HfApi().model_info(name, revision=revision)
    commit = str(info.sha)
    if _COMMIT.fullmatch(commit) is None or (pinned and commit != revision):
        raise DownloadError(f"The Hub must say which commit this is. Received: {commit!r} for {address}")
    if CARD_NAME not in {file.rfilename for file in info.siblings or ()}:
        library = info.library_name
        of = f"; the Hub says that it is one of {library}" if library and library != "keras_ssl" else ""
        raise ValueError(
            f"The repository is no entry of keras_ssl: it has no {CARD_NAME}{of}. Received: name_or_path={address!r}"
        )
    return commit


def _known(name: str, cache: Path) -> str:
    """The commits of a repository whose card is in the cache, for a message."""
    folder = HuggingFaceRepository(name, "", cache).folder
    commits = sorted(card.parent.name for card in folder.glob(f"*/{CARD_NAME}"))
    return f" ({', '.join(commits[:5])})" if commits else ", which has none"


def hub_client() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.utils
    except ImportError as error:
        raise ImportError(
            f"Addresses that begin with {PREFIX} are read by huggingface_hub: pip install 'keras_ssl[huggingface]'"
        ) from error
    return huggingface_hub


@contextmanager
def asking(address: str, file: str = "") -> Iterator[None]:
    """Whatever the client raises becomes one sentence."""
    from huggingface_hub import errors

    received = f"Received: {address}{f', file={file!r}' if file else ''}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise ValueError(
            "Its owner gives this repository on request: ask on its page, and set HF_TOKEN to a token of yours. "
            f"{received}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ValueError(
            f"The Hugging Face Hub has no such repository, or HF_TOKEN may not read it. {received}"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ValueError(f"The repository has no such revision. {received}") from error
    except errors.RemoteEntryNotFoundError as error:
        raise ValueError(f"The repository has no such file. {received}") from error
    except Exception as error:  # of the network, of its settings, of the disk: the client has many kinds
        cause = error.__cause__ or error
        told = " ".join(str(cause).split())[:200].rstrip(".")
        raise DownloadError(
            f"The Hugging Face Hub cannot be reached ({type(cause).__name__}: {told}). {received}"
        ) from error

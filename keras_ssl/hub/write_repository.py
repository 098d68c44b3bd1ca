"""An entry as the folder that a repository of the Hugging Face Hub holds."""

import os
from dataclasses import replace
from pathlib import Path

from keras_ssl.hub.atomic import atomic_folder
from keras_ssl.hub.card import CARD_NAME
from keras_ssl.hub.card_text import README_NAME, card_markdown
from keras_ssl.hub.catalogue import find
from keras_ssl.hub.golden import GOLDEN_NAME
from keras_ssl.hub.hugging_face_repository import PREFIX, repository_name
from keras_ssl.hub.license_gate import check_license
from keras_ssl.hub.publish import copy_file


def write_repository(
    name_or_path: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    repository: str | None = None,
    accept_license: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    mirror: str | os.PathLike[str] | None = None,
    progress: bool = True,
    overwrite: bool = False,
) -> Path:
    """Writes an entry as a folder for a repository of the Hugging Face Hub, without asking the Hub.

    The folder holds `README.md`, whose header says license, library, task and tags as the Hub reads them; `card.toml`;
    the weights, and where the entry has them heads, golden features and Keras' configuration. A SavedModel is left out:
    it is a program, and large. `README.md` is not among the files that the card lists, so it may be edited there.
    `keras_ssl.load(path)` reads the folder, and `keras_ssl.load("hf://owner/name")` the repository.

    Args:
        name_or_path: a name of `list_models()`, or the folder that `keras_ssl.export` wrote.
        path: the folder to make.
        repository: "owner/name", where the folder is to go, for the example in `README.md`. Defaults to None: it says
            OWNER and the entry's name.
        accept_license: as for `load`.
        cache_dir: where downloaded files are kept. Defaults to `keras_ssl.hub.cache_folder()`.
        mirror: as for `load`. Defaults to None.
        progress: whether to show how far a download is. Defaults to True.
        overwrite: whether an existing entry is replaced. Defaults to False.

    Returns:
        The folder's path.

    Raises:
        FileExistsError: if `path` exists and `overwrite` is false, or it exists and is not an entry.
        ValueError: if there is no such entry, its license is not accepted, its weights are another project's file, or a
            file is not its card's.
        DownloadError: if a file cannot be downloaded.

    Example:

    ```python
    keras_ssl.hub.write_repository("barlow_digits", "to_upload/barlow_digits", repository="me/barlow_digits")
    ```
    """
    target = Path(os.path.expanduser(path)).absolute()
    if repository is not None:
        repository_name("repository", repository)
    if overwrite and os.path.lexists(target) and not (target / CARD_NAME).is_file():
        raise FileExistsError(f"Only an entry with a {CARD_NAME} is overwritten. Received: path={str(path)!r}")
    entry = find(name_or_path, cache_dir=cache_dir)
    card = entry.read_card()
    check_license(card, accept_license)
    if card.checkpoint:
        raise ValueError(
            "The entry's weights are another project's file. Export what keras_ssl.load gives, which writes them as "
            f"safetensors, and take that folder. Received: name_or_path={os.fspath(name_or_path)!r}"
        )
    golden = [file for file in card.files if file.name == GOLDEN_NAME]
    kept = [*card.weight_files, card.heads_file, card.architecture_file, *golden]
    with atomic_folder(target, overwrite) as staging:
        files = []
        for file in filter(None, kept):
            found, place = entry.locate(file, cache_dir=cache_dir, mirror=mirror, progress=progress)
            copy_file(place / found.name, staging / file.name, found)
            files.append(replace(found, name=file.name, url=None, sha256_prefix=None, md5=None))
        written = replace(card, files=tuple(files), saved_model=False)
        address = f"{PREFIX}{repository or f'OWNER/{entry.name}'}"
        (staging / README_NAME).write_text(card_markdown(written, address), encoding="utf-8")
        written.write(staging / CARD_NAME)
    return target

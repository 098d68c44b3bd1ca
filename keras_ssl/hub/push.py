"""An entry into a repository of the Hugging Face Hub."""

import os
import tempfile
from pathlib import Path

from keras_ssl.hub.download_error import DownloadError
from keras_ssl.hub.environment import is_set
from keras_ssl.hub.hugging_face_repository import PREFIX, asking, hub_client, repository_name
from keras_ssl.hub.write_repository import write_repository


def push(
    name_or_path: str | os.PathLike[str],
    repository: str,
    *,
    private: bool = False,
    accept_license: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    mirror: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> str:
    """Uploads an entry to the Hugging Face Hub, as one commit of what `write_repository` writes.

    The Hub takes it from whom `HF_TOKEN`, or a login by `hf auth login`, says. A repository that is missing is made.
    Other files of one that is there stay.

    Args:
        name_or_path: a name of `list_models()`, or the folder that `keras_ssl.export` wrote.
        repository: "owner/name".
        private: whether a repository that is made can be read by its owner only. Defaults to False.
        accept_license: as for `load`.
        cache_dir: where downloaded files are kept. Defaults to `keras_ssl.hub.cache_folder()`.
        mirror: as for `load`. Defaults to None.
        progress: whether to show how far a download of the entry is. Defaults to True.

    Returns:
        The address with the commit, `hf://owner/name@commit`, which `keras_ssl.load` takes.

    Raises:
        ImportError: without `huggingface_hub`.
        ValueError: as `write_repository`, or if the Hub does not let the token write there.
        DownloadError: if the Hub cannot be reached, or the entry not be downloaded.

    Example:

    ```python
    address = keras_ssl.hub.push("saved_models/mine", "me/mine")
    encoder = keras_ssl.load(address)
    ```
    """
    repository_name("repository", repository)
    client = hub_client()
    if is_set("KERAS_SSL_OFFLINE"):
        raise DownloadError(f"KERAS_SSL_OFFLINE forbids to upload. Received: repository={repository!r}")
    with tempfile.TemporaryDirectory() as drafts:
        folder = write_repository(
            name_or_path,
            Path(drafts) / "entry",
            repository=repository,
            accept_license=accept_license,
            cache_dir=cache_dir,
            mirror=mirror,
            progress=progress,
        )
        api = client.HfApi()
        with asking(f"{PREFIX}{repository}"):
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository, folder_path=folder, commit_message="Upload an entry of keras_ssl"
            )
    return f"{PREFIX}{repository}@{commit.oid}"

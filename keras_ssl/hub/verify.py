"""Whether an entry's files are those of its card, and still give the features that they gave."""

import hashlib
import os
from dataclasses import dataclass

from keras_ssl.hub.cached_file import file_hash
from keras_ssl.hub.card import Card
from keras_ssl.hub.card_file import CardFile
from keras_ssl.hub.catalogue import Entry, find
from keras_ssl.hub.entry_encoder import entry_encoder
from keras_ssl.hub.entry_weights import assign_entry_weights
from keras_ssl.hub.golden import GOLDEN_NAME, TOLERANCE, features_of, golden_error
from keras_ssl.regular_file import open_regular, read_regular

OK, BAD, ABSENT, UNKNOWN = "ok", "bad", "absent", "unknown"


@dataclass(frozen=True)
class Finding:
    """What `verify` found out about one thing.

    Args:
        what: a file's name, or "golden features".
        state: "ok", "bad", "absent" (not downloaded) or "unknown" (there is nothing to compare with).
        detail: a few words more.
    """

    what: str
    state: str
    detail: str


def verify(name_or_path: str | os.PathLike[str], *, cache_dir: str | os.PathLike[str] | None = None) -> list[Finding]:
    """Reads every file of an entry that is on this machine, and computes its golden features anew.

    Size and sha256 of each file are compared with the card's, or with those of its first download. Where the entry has
    golden features (`export` writes them), the encoder is built, given its weights and run, on the backend and device
    at hand. Nothing is downloaded but the card of a repository of the Hugging Face Hub, and no code of the entry is
    run: of a SavedModel, the files are compared.

    Args:
        name_or_path: as for `load`.
        cache_dir: where downloaded files are kept. Defaults to `keras_ssl.hub.cache_folder()`.

    Returns:
        What was found out: a `Finding` for each file, and one for the features.

    Raises:
        ValueError: if there is no such entry, or its card is not valid.

    Example:

    >>> {finding.state for finding in verify("barlow_digits")}
    {'ok'}
    """
    entry = find(name_or_path, cache_dir=cache_dir)
    card = entry.read_card()
    found = {file.name: _of_file(entry, file, cache_dir) for file in card.files}
    return [*found.values(), _of_features(entry, card, found, cache_dir)]


def _of_file(entry: Entry, file: CardFile, cache_dir: str | os.PathLike[str] | None) -> Finding:
    try:
        path, size, sha256 = entry.expected(file, cache_dir)
        with open_regular(path) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found = stream.tell()
        problem = file.hash_problem(digest, lambda: file_hash(path, "md5"))
    except (FileNotFoundError, NotADirectoryError):
        return Finding(file.name, ABSENT if entry.can_download(file) else BAD, f"no file at {str(path)!r}")
    except OSError as error:
        return Finding(file.name, BAD, error.strerror or str(error))
    if size not in (None, found):
        return Finding(file.name, BAD, f"{found} bytes instead of {size}")
    if problem:
        return Finding(file.name, BAD, problem)
    if sha256 is None and (file.sha256_prefix or file.md5):
        return Finding(file.name, OK, f"{found} bytes, sha256 {digest}, of which the card says: {file.hash_text}")
    if sha256 is None:
        return Finding(file.name, UNKNOWN, f"{found} bytes, sha256 {digest}: neither card nor cache knows what it was")
    if digest != sha256:
        return Finding(file.name, BAD, f"sha256 {digest} instead of {sha256}")
    return Finding(file.name, OK, f"{found} bytes, sha256 {digest}")


def _of_features(
    entry: Entry, card: Card, found: dict[str, Finding], cache_dir: str | os.PathLike[str] | None
) -> Finding:
    what = "golden features"
    golden = next((file for file in card.files if file.name == GOLDEN_NAME), None)
    if golden is None:
        return Finding(what, UNKNOWN, "the entry has none")
    architecture = [card.architecture_file] if card.architecture_file else []
    if any(found[file.name].state != OK for file in (*card.weight_files, *architecture, golden)):
        return Finding(what, UNKNOWN, "not computed: a file that they need is not there, or not the card's")
    try:
        encoder = entry_encoder(entry, card, True, {}, cache_dir=cache_dir, progress=False)
        layer = card.build_preprocessing()
        assign_entry_weights(entry, card, encoder, True, cache_dir=cache_dir, progress=False)
        content = read_regular(entry.expected(golden, cache_dir)[0])
        error = golden_error(features_of(encoder, layer), content, pixels=layer is not None)
    except (ValueError, OSError) as problem:
        return Finding(what, BAD, str(problem))
    return Finding(what, OK if error <= TOLERANCE else BAD, f"differ by {error:.1e} of the largest")

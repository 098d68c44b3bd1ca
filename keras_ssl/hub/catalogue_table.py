"""The catalogue as a table: what `keras-ssl zoo list` prints, and the documentation's page."""

from collections.abc import Mapping
from dataclasses import dataclass

from keras_ssl.hub.card import Card
from keras_ssl.hub.card_file import FIRST_USE, CardFile
from keras_ssl.hub.card_size import channels_of
from keras_ssl.hub.card_text import architecture_text, size_text
from keras_ssl.hub.catalogue import Entry, entries
from keras_ssl.hub.license_gate import is_non_commercial

_CLAIMS = {
    "imagenet_knn_top1": "nearest neighbors {}",
    "imagenet_linear_top1": "linear {}",
    "imagenet_finetuned_top1": "fine-tuned {}",
    "imagenet_zero_shot_top1": "zero-shot {}",
}
_PAGE = """\
# Published weights

{count} entries, of which {free} may be used for anything; the others need `accept_license`. `keras_ssl.load(name)`
loads one. This page is made of the cards in `zoo/`, each of which says where its figures stand. Accuracies are
ImageNet's, in percent, as the publisher says. Of hashes, "sha256" is a full one, "prefix" and "md5" are what is known
instead and what a download is compared with, and "first use" is that nothing is: the first download decides.
"""


@dataclass(frozen=True)
class CatalogueRow:
    """What the table says of an entry.

    Args:
        name: of the entry.
        license: SPDX name, with "(ask)" where it must be accepted.
        size: of the files that `load` reads, or "?".
        channels: of the images, or "-" for an encoder of something else.
        hash: "sha256", "prefix", "md5" or "first use": the least of its files.
        accuracy: what the publisher says of ImageNet, or "".
        architecture: the encoder's class and arguments.
        project: address of the publisher's page, or "".
    """

    name: str
    license: str
    size: str
    channels: str
    hash: str
    accuracy: str
    architecture: str
    project: str


def catalogue_row(name: str, card: Card) -> CatalogueRow:
    """The row of an entry.

    Example:

    >>> from keras_ssl.hub.catalogue import find
    >>> row = catalogue_row("dino_vits16", find("dino_vits16").read_card())
    >>> row.license, row.channels, row.hash, row.accuracy
    ('Apache-2.0', '3', 'md5', 'nearest neighbors 74.5, linear 77.0')
    """
    size = card.listed_bytes(card.weight_files)
    return CatalogueRow(
        name,
        f"{card.license or '?'}{' (ask)' if is_non_commercial(card) else ''}",
        "?" if size is None else size_text(size),
        str(channels_of(card.architecture.get("arguments", {}))) if card.preprocessing else "-",
        max((hash_kind(file) for file in card.weight_files), key=("sha256", "prefix", "md5", "first use").index),
        ", ".join(text.format(card.claims[key]) for key, text in _CLAIMS.items() if key in card.claims),
        architecture_text(card),
        str(card.origin.get("url", "")),
    )


def hash_kind(file: CardFile) -> str:
    """What is known of a file's hash, in a word or two."""
    if file.sha256 != FIRST_USE:
        return "sha256"
    return "prefix" if file.sha256_prefix else "md5" if file.md5 else "first use"


def catalogue_markdown(found: Mapping[str, Entry] | None = None) -> str:
    """The catalogue as a page of Markdown, a table for each publisher.

    Args:
        found: entries by name. Defaults to None: the library's.
    """
    cards = {name: entry.read_card() for name, entry in sorted((found or entries()).items())}
    rows = [catalogue_row(name, card) for name, card in cards.items()]
    free = sum(not is_non_commercial(card) for card in cards.values())
    head = ("name", "license", "size", "channels", "hash", "accuracy", "architecture")
    text = [_PAGE.format(count=len(rows), free=free)]
    for project in sorted({row.project for row in rows}):
        mine = [row for row in rows if row.project == project]
        title = "/".join(project.rstrip("/").split("/")[-2:]) if project else "Trained by this project"
        text.append(f"## {title}\n\n{project}\n" if project else f"## {title}\n")
        text.append(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
        for row in mine:
            values = (row.name, row.license, row.size, row.channels, row.hash, row.accuracy, f"`{row.architecture}`")
            text.append(f"| {' | '.join(values)} |")
        text.append("")
    return "\n".join(text)

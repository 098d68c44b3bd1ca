"""A page of pictures in groups: near-copies, results of a search, images to label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.losses.numeric import check_integer
from keras_ssl.report.markup import element, joined, section, sentence
from keras_ssl.report.page import whole_page
from keras_ssl.report.thumbnails import data_uri, thumbnails
from keras_ssl.report.tile import tile
from keras_ssl.typing import Tensor


@dataclass(frozen=True)
class Shown:
    """A picture of a gallery.

    Args:
        row: its number among the images.
        label: its first line, such as a class or a similarity.
        below: its second line, such as its name. Defaults to "".
        first: whether it is marked as the one that the others belong to. Defaults to False.
    """

    row: int
    label: str
    below: str = ""
    first: bool = False


def gallery_page(
    title: str,
    remark: str,
    read: Callable[[np.ndarray], Tensor] | None,
    groups: Sequence[tuple[str, Sequence[Shown]]],
    most: int = 200,
) -> str:
    """A whole HTML file of pictures in groups, which needs no network.

    Args:
        title: of the page.
        remark: a sentence below it.
        read: gives the pixels `[n, H, W, C]` of images by their numbers, int64 `[n]`; None: names alone are shown.
        groups: each a heading, "" for none, and its pictures.
        most: the most groups that are shown; a sentence tells of the others. Defaults to 200.

    Returns:
        The text of the file, to be written as UTF-8.

    Raises:
        ValueError: if `most` is not positive.

    Example:

    ```python
    page = gallery_page("Near-copies", "", images.__getitem__, [("Group 1", [Shown(0, "kept"), Shown(4, "0.01")])])
    ```
    """
    most = check_integer("most", most, 1)
    rows = np.array(sorted({shown.row for _, group in groups[:most] for shown in group}), "int64")
    images = None if read is None else np.asarray(read(rows))
    pictures = dict(zip(rows.tolist(), thumbnails(images, np.arange(len(rows))), strict=False))
    parts = []
    for heading, group in groups[:most]:
        if heading:
            parts.append(element("h3", heading))
        tiles = [
            tile(
                shown.below,
                shown.label,
                data_uri(pictures[shown.row]) if shown.row in pictures else None,
                "query" if shown.first else "",
            )
            for shown in group
        ]
        parts.append(element("div", element("div", *tiles, class_="strip"), class_="strips"))
    if len(groups) > most:
        parts.append(sentence(f"{len(groups) - most:,} more groups are in the table."))
    head = element("header", element("h1", title), element("p", remark, class_="lead"))
    return utf8_name(whole_page(title, head, joined([section("gallery", "Pictures", *parts)])))

"""Which images of a folder to label."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.data.selection.k_center import KCenter
from keras_ssl.data.selection.typicality import Typicality
from keras_ssl.data.selection.uncertainty import Uncertainty
from keras_ssl.evaluation.linear_probe import linear_probabilities
from keras_ssl.losses.numeric import check_integer
from keras_ssl.paths import user_path
from keras_ssl.workflows.picture_set import PictureSet, whole_rows

__all__ = ["ChosenImage", "choose_labels"]

STRATEGIES = ("typicality", "k_center", "uncertainty")


@dataclass(frozen=True)
class ChosenImage:
    """An image to label.

    Args:
        rank: from 1, in the order in which to label.
        name: of the image.
        row: its number in the data.
        guess: the class that a classifier of the given labels predicts; "" where none are given.
        uncertainty: of that prediction, 1 minus the margin of the two likeliest classes; None where none are given.
    """

    rank: int
    name: str
    row: int
    guess: str = ""
    uncertainty: float | None = None


def choose_labels(
    data: Any,
    model: Any,
    count: int,
    *,
    by: str = "auto",
    labels: str | os.PathLike[str] | dict[str, str] | None = None,
    image_size: int | None = None,
    batch_size: int = 256,
    seed: int = 0,
    max_damaged: float | None = None,
    accept_license: str | None = None,
) -> list[ChosenImage]:
    """Chooses images to label, by the features of an encoder.

    - `"typicality"` takes the most typical image of each cluster (`keras_ssl.data.Typicality`): for the first labels.
    - `"k_center"` leaves no image far from all chosen ones (`keras_ssl.data.KCenter`): it finds rare things, and
      outliers too.
    - `"uncertainty"` takes the images of which a linear classifier of the given labels is least sure
      (`keras_ssl.data.Uncertainty`, by margin): once there are some labels of each class.

    Args:
        data: a folder of images, or another name that `data.name` of a recipe takes; an array of images; or a
            `tf.data.Dataset` of images.
        model: as for `keras_ssl.embed`.
        count: number of images to choose.
        by: one of these. Defaults to "auto": "uncertainty" where there are labels of two classes or more, at least ten
            for each class on average; else "typicality".
        labels: classes of images that are labeled already, by name: a dict, or a .csv file with the columns name and
            label. They are not chosen again. Defaults to None.
        image_size: as for `keras_ssl.embed`. Defaults to None.
        batch_size: images in a batch. Defaults to 256.
        seed: of the clusters. Defaults to 0.
        max_damaged: as for `keras_ssl.embed`. Defaults to None: 0.01.
        accept_license: as for `keras_ssl.load`. Defaults to None.

    Returns:
        The images, in the order in which to label them.

    Raises:
        ValueError: if there are no such data, model or labeled images, an argument is out of range, or "uncertainty"
            has no labels of two classes.

    Example:

    >>> images, _ = keras_ssl.data.colored_digits("train", count=40)
    >>> len(choose_labels(images, "barlow_digits", count=5))
    5
    """
    pictures = PictureSet(data, max_damaged)
    return chosen_of(pictures, model, count, by, labels, image_size, batch_size, seed, accept_license)


def chosen_of(
    pictures: PictureSet,
    model: Any,
    count: int,
    by: str,
    labels: str | os.PathLike[str] | dict[str, str] | None,
    image_size: int | None,
    batch_size: int,
    seed: int,
    accept_license: str | None,
) -> list[ChosenImage]:
    """As `choose_labels`, of opened images."""
    if by not in ("auto", *STRATEGIES):
        raise ValueError(f"`by` must be auto, {', '.join(STRATEGIES)}. Received: by={by!r}")
    count = check_integer("count", count, 1)
    known = {} if labels is None else labels if isinstance(labels, dict) else read_labels(labels)
    numbers = {name: number for number, name in enumerate(pictures.names)}
    foreign = [name for name in known if name not in numbers]
    if foreign:
        raise ValueError(f"`labels` must name images of the data. Received: labels with {foreign[0]!r}")
    kinds = set(known.values())
    if by == "auto":
        by = "uncertainty" if len(kinds) > 1 and len(known) >= 10 * len(kinds) else "typicality"
    if by == "uncertainty" and len(kinds) < 2:
        raise ValueError(
            f"`labels` must be of two classes or more for by='uncertainty'. Received: {len(kinds)} classes"
        )
    features = pictures.features(model, image_size, batch_size, accept_license)
    rows = whole_rows(features)
    features = features[rows]
    place = {int(row): number for number, row in enumerate(rows)}
    labeled = [place[numbers[name]] for name in known if numbers[name] in place]
    classes = [str(known[pictures.names[rows[number]]]) for number in labeled]
    free = len(rows) - len(labeled)
    if count > free:
        raise ValueError(f"`count` must be at most {free}, the images without a label. Received: count={count}")
    guesses, unsure = None, None
    if len(kinds) > 1:
        shares = linear_probabilities(features[labeled], np.asarray(classes), features)
        guesses, unsure = np.unique(classes)[shares.argmax(axis=1)], Uncertainty(count).uncertainty(shares)
    if by == "uncertainty":
        chosen = Uncertainty(count).select(shares, labeled)
    elif by == "k_center":
        chosen = KCenter(count).select(features, labeled)
    else:
        chosen = Typicality(count, seed=seed).select(features, labeled)
    return [
        ChosenImage(
            rank,
            pictures.names[rows[number]],
            int(rows[number]),
            "" if guesses is None else str(guesses[number]),
            None if unsure is None else float(unsure[number]),
        )
        for rank, number in enumerate(chosen, start=1)
    ]


def read_labels(path: str | os.PathLike[str]) -> dict[str, str]:
    """Labels by name, of a .csv file with the columns name and label; rows without a label are left out.

    Columns may be separated by commas, semicolons or tabs, as spreadsheets of different countries write them.

    Raises:
        ValueError: if it is none.
    """
    try:
        with open(Path(user_path(path)), encoding="utf-8-sig", newline="") as file:  # spreadsheets write a mark first
            head = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=head.count))
            if not {"name", "label"} <= set(reader.fieldnames or ()):
                raise ValueError(f"it has the columns {', '.join(reader.fieldnames or ()) or 'none'}")
            return {row["name"]: row["label"].strip() for row in reader if (row["label"] or "").strip()}
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(
            f"`labels` must be a .csv file with the columns name and label ({error}). "
            f"Received: labels={os.fspath(path)!r}"
        ) from error

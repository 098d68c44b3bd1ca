"""Finds near-copies among the images of a folder.

    keras-ssl find-duplicates photos/ --out=copies.csv --report=copies.html
    keras-ssl find-duplicates photos/ --model=runs/photos --threshold=0.02
    keras-ssl find-duplicates --in=features/ --images=photos/ --report=copies.html

Without a model, hashes of the pixels are compared: they find copies of another size or quality. With one, features are:
they find pictures of the same thing. --in takes features that `keras-ssl embed` wrote, of a million images too. The
first of each group, by the order of the names, is kept.
"""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
from absl import flags

from keras_ssl.cli.common import (
    DATA_HELP,
    MAX_DAMAGED_HELP,
    check_outputs,
    markdown_table,
    no_arguments,
    one_name,
    user_errors,
    write_page,
    write_table,
)
from keras_ssl.evaluation.open_features import open_features
from keras_ssl.messages import guarded_output, say
from keras_ssl.report import Shown, gallery_page
from keras_ssl.workflows.find_duplicates import Duplicate, duplicates_among, duplicates_of
from keras_ssl.workflows.picture_set import PictureSet

_DATA = flags.DEFINE_string("data", None, DATA_HELP)
_MODEL = flags.DEFINE_string("model", None, "A name of the zoo, or the folder of a run or an export. Default: none.")
_FEATURES = flags.DEFINE_string("features", None, "Of `keras-ssl embed`, instead of data and --model: .npz or folder.")
flags.DEFINE_alias("in", "features")
_IMAGES = flags.DEFINE_string("images", None, "The data of the features, for pictures in --report. Default: none.")
_THRESHOLD = flags.DEFINE_float(
    "threshold", None, "Largest distance: bits of 64, or 1 - cosine with a model. Default: 1, or 0.01.", lower_bound=0.0
)
_OUT = flags.DEFINE_string("out", None, "CSV file for the table. Default: none.")
_REPORT = flags.DEFINE_string("report", None, "HTML file that shows the groups. Default: none.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Side of images from files. Default: that of training.")
_MAX_DAMAGED = flags.DEFINE_float("max_damaged", None, MAX_DAMAGED_HELP, lower_bound=0.0, upper_bound=1.0)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images in a batch.", lower_bound=1)
_ACCEPT_LICENSE = flags.DEFINE_string("accept_license", None, "License of weights not for commercial use.")

COLUMNS = ("group", "kept", "distance", "name")


@guarded_output()
def main(argv: list[str]) -> None:
    with user_errors():
        check_outputs(out=_OUT.value, report=_REPORT.value)
        if _FEATURES.value is None:
            pictures = PictureSet(one_name(argv, _DATA.value, "data set"), _MAX_DAMAGED.value)
            total, read = len(pictures), pictures.pictures
            found = duplicates_of(
                pictures, _MODEL.value, _THRESHOLD.value, _IMAGE_SIZE.value, _BATCH_SIZE.value, _ACCEPT_LICENSE.value
            )
        else:
            no_arguments(argv)
            if _DATA.value is not None or _MODEL.value is not None:
                raise ValueError(f"`features` replaces data and model. Received: features={_FEATURES.value!r}")
            features = open_features(_FEATURES.value)
            total, read = len(features), None
            found = duplicates_among(features, _THRESHOLD.value)
            if _IMAGES.value is not None:
                read = _pictures(_IMAGES.value, found)
        rows = [{key: value for key, value in asdict(item).items() if key in COLUMNS} for item in found]
        rows = [{**row, "kept": "yes" if row["kept"] else "no"} for row in rows]
        write_table(_OUT.value, rows, COLUMNS)
        copies = sum(not item.kept for item in found)
        summary = f"{copies} of {total} images are near-copies of {len(found) - copies} others."
        write_page(_REPORT.value, lambda: gallery_page("Near-copies", summary, read, grouped(found)))
    if rows:
        say(markdown_table(rows))
    say(summary)


def _pictures(images: str, found: list[Duplicate]) -> Callable[..., np.ndarray]:
    """What reads the pictures of features, by their numbers in the data that they are of."""
    pictures = PictureSet(images, _MAX_DAMAGED.value)
    other = [item.name for item in found if item.row >= len(pictures) or pictures.names[item.row] != item.name]
    if other:
        raise ValueError(f"`images` must be the data of the features. Received: no image {other[0]!r} at its place")
    return pictures.pictures


def grouped(found: list[Duplicate]) -> list[tuple[str, list[Shown]]]:
    """The groups as the page shows them."""
    groups: dict[int, list[Shown]] = {}
    for item in found:
        label = "kept" if item.kept else f"{item.distance:.3g}"
        groups.setdefault(item.group, []).append(Shown(item.row, label, item.name, first=item.kept))
    return [(f"Group {number}", shown) for number, shown in groups.items()]

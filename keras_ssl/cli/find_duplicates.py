"""Finds near-copies among the images of a folder.

    keras-ssl find-duplicates photos/ --out=copies.csv --report=copies.html
    keras-ssl find-duplicates photos/ --model=runs/photos --threshold=0.02

Without a model, hashes of the pixels are compared: they find copies of another size or quality. With one, features are:
they find pictures of the same thing. The first of each group, by the order of the names, is kept.
"""

from dataclasses import asdict

from absl import flags

from keras_ssl.cli.common import (
    DATA_HELP,
    check_outputs,
    markdown_table,
    one_name,
    user_errors,
    write_page,
    write_table,
)
from keras_ssl.messages import guarded_output, say
from keras_ssl.report import Shown, gallery_page
from keras_ssl.workflows.find_duplicates import Duplicate, duplicates_of
from keras_ssl.workflows.picture_set import PictureSet

_DATA = flags.DEFINE_string("data", None, DATA_HELP)
_MODEL = flags.DEFINE_string("model", None, "A name of the zoo, or the folder of a run or an export. Default: none.")
_THRESHOLD = flags.DEFINE_float(
    "threshold", None, "Largest distance: bits of 64, or 1 - cosine with a model. Default: 1, or 0.01.", lower_bound=0.0
)
_OUT = flags.DEFINE_string("out", None, "CSV file for the table. Default: none.")
_REPORT = flags.DEFINE_string("report", None, "HTML file that shows the groups. Default: none.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Side of images from files. Default: that of training.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images in a batch.", lower_bound=1)
_ACCEPT_LICENSE = flags.DEFINE_string("accept_license", None, "License of weights not for commercial use.")

COLUMNS = ("group", "kept", "distance", "name")


@guarded_output()
def main(argv: list[str]) -> None:
    name = one_name(argv, _DATA.value, "data set")
    with user_errors():
        check_outputs(out=_OUT.value, report=_REPORT.value)
        pictures = PictureSet(name)
        found = duplicates_of(
            pictures, _MODEL.value, _THRESHOLD.value, _IMAGE_SIZE.value, _BATCH_SIZE.value, _ACCEPT_LICENSE.value
        )
        rows = [{key: value for key, value in asdict(item).items() if key in COLUMNS} for item in found]
        rows = [{**row, "kept": "yes" if row["kept"] else "no"} for row in rows]
        write_table(_OUT.value, rows, COLUMNS)
        copies = sum(not item.kept for item in found)
        summary = f"{copies} of {len(pictures)} images are near-copies of {len(found) - copies} others."
        write_page(_REPORT.value, lambda: gallery_page("Near-copies", summary, pictures.pictures, grouped(found)))
    if rows:
        say(markdown_table(rows))
    say(summary)


def grouped(found: list[Duplicate]) -> list[tuple[str, list[Shown]]]:
    """The groups as the page shows them."""
    groups: dict[int, list[Shown]] = {}
    for item in found:
        label = "kept" if item.kept else f"{item.distance:.3g}"
        groups.setdefault(item.group, []).append(Shown(item.row, label, item.name, first=item.kept))
    return [(f"Group {number}", shown) for number, shown in groups.items()]

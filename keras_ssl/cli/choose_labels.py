"""Chooses which images of a folder to label.

    keras-ssl choose-labels photos/ --model=runs/photos --count=50 --out=to_label.csv --report=to_label.html
    keras-ssl choose-labels photos/ --model=runs/photos --count=50 --labels=labels.csv --by=uncertainty

Strategies: typicality for the first labels, k_center for rare things, uncertainty once there are some labels of each
class; see `keras_ssl.workflows.choose_labels`. The table has an empty column `label`: filled in, it is the --labels of
the next call. A table that is filled in is never replaced.
"""

import os

from absl import flags

from keras_ssl.cli.common import (
    DATA_HELP,
    MAX_DAMAGED_HELP,
    check_outputs,
    markdown_table,
    one_name,
    user_errors,
    write_page,
    write_table,
)
from keras_ssl.messages import guarded_output, say
from keras_ssl.paths import user_path
from keras_ssl.report import Shown, gallery_page
from keras_ssl.workflows.choose_labels import STRATEGIES, chosen_of, read_labels
from keras_ssl.workflows.picture_set import PictureSet

_DATA = flags.DEFINE_string("data", None, DATA_HELP)
_MODEL = flags.DEFINE_string("model", None, "A name of the zoo, or the folder of a run or an export.", required=True)
_COUNT = flags.DEFINE_integer("count", None, "Number of images to choose.", lower_bound=1, required=True)
_BY = flags.DEFINE_enum("by", "auto", ["auto", *STRATEGIES], "The strategy.")
_LABELS = flags.DEFINE_multi_string(
    "labels", [], "CSV file with the columns name and label; may be repeated. Default: none are labeled."
)
_OUT = flags.DEFINE_string("out", None, "CSV file for the table. Default: none.")
_REPORT = flags.DEFINE_string("report", None, "HTML file that shows the images. Default: none.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Side of images from files. Default: that of training.")
_MAX_DAMAGED = flags.DEFINE_float("max_damaged", None, MAX_DAMAGED_HELP, lower_bound=0.0, upper_bound=1.0)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images in a batch.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of the clusters.", lower_bound=0)
_ACCEPT_LICENSE = flags.DEFINE_string("accept_license", None, "License of weights not for commercial use.")

COLUMNS = ("rank", "name", "label", "guess", "uncertainty")


@guarded_output()
def main(argv: list[str]) -> None:
    name = one_name(argv, _DATA.value, "data set")
    with user_errors():
        check_outputs(out=_OUT.value, report=_REPORT.value)
        check_not_filled(_OUT.value)
        labels = {name: label for path in _LABELS.value for name, label in read_labels(path).items()}
        pictures = PictureSet(name, _MAX_DAMAGED.value)
        chosen = chosen_of(
            pictures,
            _MODEL.value,
            _COUNT.value,
            _BY.value,
            labels,
            _IMAGE_SIZE.value,
            _BATCH_SIZE.value,
            _SEED.value,
            _ACCEPT_LICENSE.value,
        )
        rows = [
            {
                "rank": item.rank,
                "name": item.name,
                "label": "",
                "guess": item.guess,
                "uncertainty": item.uncertainty,
            }
            for item in chosen
        ]
        write_table(_OUT.value, rows, COLUMNS)
        shown = [Shown(item.row, item.guess or f"no. {item.rank}", item.name) for item in chosen]
        remark = f"{len(chosen)} of {len(pictures)} images, in the order in which to label them."
        write_page(_REPORT.value, lambda: gallery_page("To label", remark, pictures.pictures, [("", shown)]))
    say(markdown_table(rows))


def check_not_filled(out: str | None) -> None:
    """Raises where the table that would be replaced holds labels: someone's work."""
    if out is None or not os.path.exists(user_path(out)):
        return
    try:
        filled = len(read_labels(out))
    except ValueError:
        return  # another kind of file
    if filled:
        raise ValueError(f"`out` holds {filled} labels that were filled in; name another file. Received: out={out!r}")

"""Finds the images that are most similar to one.

    keras-ssl embed photos/ --model=runs/photos --out=features.npz
    keras-ssl search photo.jpg --in=features.npz --model=runs/photos --images=photos/ --report=found.html

The features are those of `keras-ssl embed`, by the same model.
"""

from dataclasses import asdict

from absl import flags

from keras_ssl.cli.common import check_outputs, markdown_table, one_name, user_errors, write_page, write_table
from keras_ssl.messages import guarded_output, say
from keras_ssl.report import Shown, gallery_page
from keras_ssl.workflows.picture_set import PictureSet
from keras_ssl.workflows.search import Found, search

_QUERY = flags.DEFINE_string("query", None, "The image file that is looked for.")
_FEATURES = flags.DEFINE_string("features", None, "The .npz file or folder of `keras-ssl embed`.", required=True)
flags.DEFINE_alias("in", "features")
_MODEL = flags.DEFINE_string("model", None, "A name of the zoo, or the folder of a run or an export.", required=True)
_COUNT = flags.DEFINE_integer("count", 10, "Number of results.", lower_bound=1)
_OUT = flags.DEFINE_string("out", None, "CSV file for the table. Default: none.")
_IMAGES = flags.DEFINE_string("images", None, "The data of the features, for pictures in --report. Default: none.")
_REPORT = flags.DEFINE_string("report", None, "HTML file that shows the results. Default: none.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Side of the image. Default: that of training.")
_ACCEPT_LICENSE = flags.DEFINE_string("accept_license", None, "License of weights not for commercial use.")

COLUMNS = ("rank", "similarity", "name")


@guarded_output()
def main(argv: list[str]) -> None:
    query = one_name(argv, _QUERY.value, "image file")
    with user_errors():
        check_outputs(out=_OUT.value, report=_REPORT.value)
        found = search(
            query,
            _FEATURES.value,
            _MODEL.value,
            count=_COUNT.value,
            image_size=_IMAGE_SIZE.value,
            accept_license=_ACCEPT_LICENSE.value,
        )
        rows = [{key: value for key, value in asdict(item).items() if key in COLUMNS} for item in found]
        write_table(_OUT.value, rows, COLUMNS)
        write_page(_REPORT.value, lambda: page(query, found))
    say(markdown_table(rows))


def page(query: str, found: list[Found]) -> str:
    """The results as a page, with pictures where --images names them."""
    read, numbers = None, {item.name: item.row for item in found}
    if _IMAGES.value is not None:
        pictures = PictureSet(_IMAGES.value, 1.0)
        numbers = {name: number for number, name in enumerate(pictures.names)}
        missing = [item.name for item in found if item.name not in numbers]
        if missing:
            raise ValueError(f"`images` must be the data of the features. Received: no image {missing[0]!r}")
        read = pictures.pictures
    shown = [Shown(numbers[item.name], f"{item.similarity:.3f}", item.name, item.rank == 1) for item in found]
    return gallery_page("Most similar images", f"To {query}, by cosine similarity.", read, [("", shown)])

"""Orders runs by what their features look like, without labels: RankMe, LiDAR, alpha-ReQ and the last loss.

    keras-ssl rank --logdir=runs

Prints a markdown table, the best run first, and names on the error stream the runs that it had to leave out.
"""

import warnings
from dataclasses import asdict
from pathlib import Path

from absl import flags

from keras_ssl import evaluation
from keras_ssl.cli.common import DATA_HELP, markdown_table, no_arguments, user_errors
from keras_ssl.hub.recipe_data import data_source
from keras_ssl.messages import say

_LOGDIR = flags.DEFINE_string(
    "logdir", None, "Folder of runs of `keras-ssl pretrain` and of exported entries, or one of these.", required=True
)
_BY = flags.DEFINE_enum("by", "rankme", ["rankme", "lidar"], "What orders the table.")
_DATA = flags.DEFINE_string("data", None, f"{DATA_HELP} Default: what the first run was trained on.")
_SIZE = flags.DEFINE_integer("size", None, "Image size, for --data that is made or resized.", lower_bound=1)
flags.DEFINE_alias("image_size", "size")
_SAMPLES = flags.DEFINE_integer("samples", 2000, "Images for RankMe and alpha-ReQ.", lower_bound=2)
_LIDAR_SAMPLES = flags.DEFINE_integer("lidar_samples", 1000, "Images for LiDAR; 0 leaves it out.", lower_bound=0)
_LIDAR_VIEWS = flags.DEFINE_integer("lidar_views", 10, "Views of each image for LiDAR.", lower_bound=2)
_STRICT = flags.DEFINE_bool("strict", False, "Whether a run that cannot be measured is an error.")


def main(argv: list[str]) -> None:
    no_arguments(argv)
    with user_errors():
        images = None
        if _DATA.value is not None:
            source = data_source(_DATA.value)
            size = {"size": _SIZE.value} if "size" in source.known and _SIZE.value is not None else {}
            images = source.read(**size).x
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            rows = evaluation.rank_checkpoints(
                _LOGDIR.value,
                images,
                by=_BY.value,
                samples=_SAMPLES.value,
                lidar_samples=_LIDAR_SAMPLES.value,
                lidar_views=_LIDAR_VIEWS.value,
                strict=_STRICT.value,
            )
    for warning in said:
        say(str(warning.message), error=True)
    say(markdown_table([asdict(row) | {"path": _short(row.path)} for row in rows]))


def _short(path: Path) -> str:
    """A run's own name for the end of the run, with the file's for other checkpoints."""
    return str(path.parent if path.name == "model.weights.h5" else path)

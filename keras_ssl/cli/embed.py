"""Computes the features of images, and writes them with the images' names.

    keras-ssl embed photos/ --model=runs/photos --out=features.npz
    keras-ssl embed photos/ --model=dinov2_vits14 --out=features.csv
    keras-ssl embed photos/ --model=dinov2_vits14 --out=features/ --shard=0/8

A folder takes any number of images, in shards: the same command goes on where it was ended, and --shard=i/n is one of n
machines, from 0. `keras-ssl search` and `find-duplicates` read it as they read a file.

The model is a name of `keras-ssl zoo list`, or the folder of a run or of an exported encoder. Images that cannot be
decoded are named and left out.
"""

import re
import time

from absl import flags

from keras_ssl.cli.common import DATA_HELP, MAX_DAMAGED_HELP, numbers, one_name, user_errors
from keras_ssl.messages import guarded_output, say
from keras_ssl.workflows.embed import embed

_DATA = flags.DEFINE_string("data", None, DATA_HELP)
_MODEL = flags.DEFINE_string("model", None, "A name of the zoo, or the folder of a run or an export.", required=True)
_OUT = flags.DEFINE_string("out", None, "File for the features, .npz, .csv or .parquet, or a folder.", required=True)
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Side of images from files. Default: that of training.")
_MAX_DAMAGED = flags.DEFINE_float("max_damaged", None, MAX_DAMAGED_HELP, lower_bound=0.0, upper_bound=1.0)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images in a batch.", lower_bound=1)
_VALUE_RANGE = flags.DEFINE_list(
    "value_range", None, "Values of .npy or TIFF stacks that become 0 and 1, as in 0,10000. Default: that of training."
)
_SHARD = flags.DEFINE_string("shard", "0/1", "Which of how many machines this is, from 0: i/n. --out is a folder then.")
_SHARD_SIZE = flags.DEFINE_integer("shard_size", 8192, "Images of a shard in a folder.", lower_bound=1)
_ACCEPT_LICENSE = flags.DEFINE_string("accept_license", None, "License of weights not for commercial use.")


@guarded_output()
def main(argv: list[str]) -> None:
    data = one_name(argv, _DATA.value, "data set")
    start = time.perf_counter()
    with user_errors():
        rows = embed(
            _MODEL.value,
            data,
            out=_OUT.value,
            image_size=_IMAGE_SIZE.value,
            batch_size=_BATCH_SIZE.value,
            value_range=numbers(_VALUE_RANGE),
            max_damaged=_MAX_DAMAGED.value,
            accept_license=_ACCEPT_LICENSE.value,
            shard_size=_SHARD_SIZE.value,
            shard=part(_SHARD.value),
        )
    say(f"{rows} images in {time.perf_counter() - start:.0f} s: {_OUT.value}")


def part(text: str) -> tuple[int, int]:
    """The numbers in "i/n".

    Raises:
        ValueError: if it is none.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None:
        raise ValueError(f"`shard` must be i/n, such as 0/8. Received: shard={text!r}")
    return int(found[1]), int(found[2])

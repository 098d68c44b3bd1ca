r"""Copies a folder of images into TFRecord shards, for data on a disk or network that is slow to open files.

    keras-ssl shards photos/ --out=photo_shards --shards=64
    keras-ssl pretrain --recipe=simclr_imagenet --data=photo_shards --set data.size=224 --logdir=runs/1

The bytes of JPEG and PNG files are kept as they are, other images become PNG; labels (a class per folder) and numbers
are stored beside them, and dataset.json tells the counts and the names of the classes. --out appears whole or not at
all, and what is there already is not replaced. Training on the shards takes the steps that training on the folder
takes.
"""

import time

from absl import flags

import keras_ssl
from keras_ssl.cli.common import one_name, user_errors
from keras_ssl.messages import say

_DATA = flags.DEFINE_string("data", None, "A folder of images.")
_OUT = flags.DEFINE_string("out", None, "The folder to make for the shards.", required=True)
_SHARDS = flags.DEFINE_integer("shards", 32, "Number of shards.", lower_bound=1)
_LABELLED = flags.DEFINE_enum(
    "labelled", "auto", ["auto", "true", "false"], "Whether each folder in --data is a class; auto: by its looks."
)
_VERIFY = flags.DEFINE_bool("verify", True, "Read everything back and compare the checksums.")


def main(argv: list[str]) -> None:
    data = one_name(argv, _DATA.value, "folder")
    start = time.perf_counter()
    labelled: bool | str = {"true": True, "false": False}.get(_LABELLED.value, "auto")
    with user_errors():
        summary = keras_ssl.data.write_tfrecords(data, _OUT.value, shards=_SHARDS.value, labelled=labelled)
        if _VERIFY.value:
            keras_ssl.data.from_tfrecords(_OUT.value, size=1, batch_size=1, verify=True)
    classes = f"{len(summary['class_names'])} classes" if summary["class_names"] else "no labels"
    say(
        f"{summary['count']} images, {classes}, in {len(summary['shards'])} shards: {_OUT.value} "
        f"({time.perf_counter() - start:.0f} s)"
    )

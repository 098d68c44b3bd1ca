"""Computes the features of images, and writes them to a file with the images' names.

    keras-ssl embed photos/ --model=runs/photos --out=features.npz
    keras-ssl embed photos/ --model=dinov2_vits14 --out=features.csv

The model is a name of `keras-ssl zoo list`, or the folder of a run or of an exported encoder. Images that cannot be
decoded are named and left out.
"""

import time

from absl import app, flags

from keras_ssl.cli.common import DATA_HELP, numbers, user_errors
from keras_ssl.messages import guarded_output, say
from keras_ssl.workflows.embed import embed

_DATA = flags.DEFINE_string("data", None, DATA_HELP)
_MODEL = flags.DEFINE_string("model", None, "A name of the zoo, or the folder of a run or an export.", required=True)
_OUT = flags.DEFINE_string("out", None, "File for the features: .npz or .csv.", required=True)
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Side of images from files. Default: that of training.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images in a batch.", lower_bound=1)
_VALUE_RANGE = flags.DEFINE_list(
    "value_range", None, "Values of .npy or TIFF stacks that become 0 and 1, as in 0,10000. Default: that of training."
)
_ACCEPT_LICENSE = flags.DEFINE_string("accept_license", None, "License of weights not for commercial use.")


@guarded_output()
def main(argv: list[str]) -> None:
    given = [*argv[1:], *([] if _DATA.value is None else [_DATA.value])]
    if len(given) != 1:
        raise app.UsageError(f"One data set is taken. Received: {' '.join(given) or 'none'}")
    start = time.perf_counter()
    with user_errors():
        rows = embed(
            _MODEL.value,
            given[0],
            out=_OUT.value,
            image_size=_IMAGE_SIZE.value,
            batch_size=_BATCH_SIZE.value,
            value_range=numbers(_VALUE_RANGE),
            accept_license=_ACCEPT_LICENSE.value,
        )
    say(f"{rows} images in {time.perf_counter() - start:.0f} s: {_OUT.value}")

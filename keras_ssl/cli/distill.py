"""Distills an encoder of the zoo into another encoder, without labels.

    keras-ssl distill photos/ --teacher=dinov2_vits14 --student=ConvNet --out=runs/student

The student is an encoder of the library; `keras_ssl.distill` takes any Keras model. The folder is that of a run of
`keras-ssl pretrain`.
"""

import shlex

from absl import flags

from keras_ssl.cli.common import DATA_HELP, MAX_DAMAGED_HELP, one_name, training_errors, user_errors
from keras_ssl.messages import guarded_output, say
from keras_ssl.workflows.choices import facts_of
from keras_ssl.workflows.distill import distill
from keras_ssl.workflows.pretrain import folder_of

_DATA = flags.DEFINE_string("data", None, DATA_HELP)
_TEACHER = flags.DEFINE_string("teacher", None, "A name of the zoo, or the folder of an export.", required=True)
_STUDENT = flags.DEFINE_string("student", "auto", "Name of an encoder of the library.")
_OUT = flags.DEFINE_string("out", None, "Folder of the run. Default: runs/ and the name of the data, with _distilled.")
flags.DEFINE_alias("logdir", "out")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Side of the images. Default: chosen.")
_MAX_DAMAGED = flags.DEFINE_float("max_damaged", None, MAX_DAMAGED_HELP, lower_bound=0.0, upper_bound=1.0)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Images in a batch. Default: chosen.")
_EPOCHS = flags.DEFINE_integer("epochs", None, "Number of epochs. Default: chosen.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, order and views.", lower_bound=0)
_SMOKE = flags.DEFINE_bool("smoke", False, "Train for two batches only, to see that all works.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace a finished run.")


@guarded_output()
def main(argv: list[str]) -> None:
    data = one_name(argv, _DATA.value, "data set")
    with user_errors():
        folder = folder_of(facts_of(data), _OUT.value, _SMOKE.value, "_distilled")
    with training_errors():
        distill(
            _TEACHER.value,
            _STUDENT.value,
            data,
            out=folder,
            image_size=_IMAGE_SIZE.value,
            batch_size=_BATCH_SIZE.value,
            epochs=_EPOCHS.value,
            max_damaged=_MAX_DAMAGED.value,
            seed=_SEED.value,
            smoke=_SMOKE.value,
            overwrite=_OVERWRITE.value,
        )
    say(f"Features: keras-ssl embed {shlex.quote(data)} --model={folder} --out=features.npz")
    say(f"The encoder: keras-ssl export --logdir={folder} --output=saved_models/NAME")

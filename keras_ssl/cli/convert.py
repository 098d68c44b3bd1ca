r"""Converts another project's checkpoint into an entry that keras_ssl.load reads: weights, SavedModel and card.

    keras-ssl convert --checkpoint=resnet50.pth --architecture=ResNet --size=224 --output=saved_models/barlow
    keras-ssl convert --checkpoint=dinov2_vits14_pretrain.pth --size=224 --output=saved_models/dinov2_vits14 \
        --architecture="ViT variant=S patch_size=14 image_size=518 layer_scale=1.0"

Known are the files of Barlow Twins, VICReg, SwAV, MoCo v2 and v3, DINO, DINOv2, MAE, solo-learn and lightly, as PyTorch
wrote them or as safetensors; no code of the file is run, and PyTorch is not needed. Every key must be the encoder's, or
one that such files hold besides. The architecture's arguments are those of keras_ssl.encoders.ResNet and ViT, whose
documentation says which are the published ones.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from absl import flags

import keras_ssl
from keras_ssl.checkpoints.state_dict import KEYS, PREFIXES
from keras_ssl.cli.common import no_arguments, user_errors
from keras_ssl.hub.component_from_text import component_from_text
from keras_ssl.layers.image_preprocessing import IMAGENET_MEAN, IMAGENET_STD, ImagePreprocessing
from keras_ssl.messages import say
from keras_ssl.paths import user_path
from keras_ssl.workflows.training_run import check_absent

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "The file to convert.", required=True)
_ARCHITECTURE = flags.DEFINE_string(
    "architecture", None, "The encoder, as in 'ResNet depth=50' or 'ViT variant=B patch_size=8'.", required=True
)
_OBJECTIVE = flags.DEFINE_string(
    "objective",
    None,
    "Whose projector the file holds, as in 'BarlowTwins projector=[8192,8192,8192]': it is kept, for "
    "keras_ssl.load_heads. Default: the encoder alone.",
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
_KEYS = flags.DEFINE_list("keys", list(KEYS), "Keys of the file to follow to the weights, by preference.")
_PREFIXES = flags.DEFINE_list("prefixes", list(PREFIXES), "What to take from the front of the weights' names.")
_MEAN = flags.DEFINE_list("mean", [str(x) for x in IMAGENET_MEAN], "Of the pixels in [0, 1], per channel or one.")
_STD = flags.DEFINE_list("std", [str(x) for x in IMAGENET_STD], "Of the pixels in [0, 1], per channel or one.")
_SIZE = flags.DEFINE_integer("size", None, "Image size of training, for the card.", lower_bound=1)
_NAME = flags.DEFINE_string("name", None, "The entry's name. Default: that of the folder.")
_DESCRIPTION = flags.DEFINE_string("description", "", "A sentence or two for the card.")
_DATA = flags.DEFINE_string("data", "", "What it was trained on, for the card.")
_LICENSE = flags.DEFINE_string("license", "", "Of the weights: an SPDX name. Default: none is given.")
_URL = flags.DEFINE_string("url", "", "Where the checkpoint is from, for the card.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Whether to replace an entry.")


def main(argv: list[str]) -> None:
    no_arguments(argv)
    with user_errors():
        check_absent("output", _OUTPUT.value, _OVERWRITE.value)
        encoder = component_from_text("encoder", _ARCHITECTURE.value)
        channels = encoder.input_shape[-1]
        mean, std = numbers("mean", _MEAN.value, channels), numbers("std", _STD.value, channels)
        preprocessing = ImagePreprocessing(mean, std)
        model = encoder
        if _OBJECTIVE.value is not None:
            given = {"encoder": encoder, "preprocessing": preprocessing}
            model = component_from_text("objective", _OBJECTIVE.value, **given)
        keras_ssl.hub.load_checkpoint(model, _CHECKPOINT.value, keys=_KEYS.value, prefixes=_PREFIXES.value)
        export(model, preprocessing)
    say(f"Converted to {_OUTPUT.value}: keras_ssl.load({_OUTPUT.value!r})")


def export(model: Any, preprocessing: ImagePreprocessing) -> None:
    """Writes the entry; what the system refuses becomes an error that names the flag."""
    try:
        keras_ssl.export(
            model,
            _OUTPUT.value,
            name=_NAME.value,
            description=_DESCRIPTION.value,
            data=_DATA.value,
            license=_LICENSE.value,
            preprocessing=preprocessing if _OBJECTIVE.value is None else "auto",
            heads=_OBJECTIVE.value is not None,
            image_size=_SIZE.value,
            origin=origin(_CHECKPOINT.value),
            overwrite=_OVERWRITE.value,
        )
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"--output cannot be written ({reason}). Received: --output={_OUTPUT.value}") from error


def numbers(flag: str, texts: list[str], channels: int) -> list[float] | float:
    """The numbers of a flag; one stands for all channels."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = []
    if len(values) not in (1, channels):
        raise ValueError(f"--{flag} must be one number or {channels}. Received: --{flag}={','.join(texts)}")
    return values[0] if len(values) == 1 else values


def origin(path: str) -> dict[str, Any]:
    """What the card says about the file: its name, and by what to know it again."""
    path = user_path(path)
    said: dict[str, Any] = {"url": _URL.value} if _URL.value else {}
    said["file"] = os.path.basename(os.path.abspath(path))
    if Path(path).is_file():  # the variables of TensorFlow are several files
        with open(path, "rb") as file:
            said["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
            said["size"] = file.tell()
    return said

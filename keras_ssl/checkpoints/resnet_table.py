"""The published keys of ResNets in torchvision's layout."""

import re
from collections.abc import Iterable

from keras_ssl.checkpoints.weight_table import MappedWeight, WeightTable, conv_kernel, unchanged

# What files hold besides the encoder: counters that Keras does not have, classifiers, heads, second encoders
# and queues of SimCLR, MoCo, SwAV, Barlow Twins, VICReg, DINO and solo-learn.
IGNORED = (
    r".*\.num_batches_tracked",
    r"(fc|classifier|head|heads|predictor|projector|projection_head|prototypes|bn)\..*",
    r"(encoder_k|momentum_encoder|momentum_backbone|momentum_projector|momentum_predictor)\..*",
    r"queue|queue_ptr|classifier|prototypes",
)
_LAYER = re.compile(r"stem_(conv|bn)|stage(\d+)_block(\d+)_(?:(conv\d|bn\d)|shortcut_(conv|bn))")
_VARIABLES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def resnet_table(names: Iterable[str], ignored: tuple[str, ...] = IGNORED) -> WeightTable:
    """The table of a `keras_ssl.encoders.ResNet` whose weights have these names.

    The keys are torchvision's (`conv1.weight`, `bn1.running_mean`, `layer1.0.conv2.weight`,
    `layer2.0.downsample.0.weight`). Barlow Twins, VICReg, DINO, SwAV, MoCo and solo-learn publish ResNets under
    them once `state_dict` has taken the prefixes away. Depth, width and stem follow from the encoder.

    Args:
        names: of the encoder's weights, as from `keras_ssl.hub.named_weights`.
        ignored: patterns of keys that a file may hold besides. Defaults to the classifiers, heads, second
            encoders and queues of these projects.

    Raises:
        ValueError: if a name is not one of a ResNet.

    Example:

    >>> table = resnet_table(["stem_conv/kernel", "stage2_block1_shortcut_bn/gamma"])
    >>> list(table.weights)
    ['conv1.weight', 'layer2.0.downsample.1.weight']

    Reference: https://github.com/pytorch/vision/blob/main/torchvision/models/resnet.py
    """
    weights = {}
    for name in names:
        layer, _, variable = name.partition("/")
        match = _LAYER.fullmatch(layer)
        if match is None or variable not in _VARIABLES:
            raise ValueError(f"`names` must be those of a ResNet's weights. Received: name={name!r}")
        stem, stage, block, inner, shortcut = match.groups()
        if stem:
            owner = f"{stem}1"
        else:
            part = inner or f"downsample.{('conv', 'bn').index(shortcut)}"
            owner = f"layer{stage}.{int(block) - 1}.{part}"
        transform = conv_kernel if variable == "kernel" else unchanged
        weights[f"{owner}.{_VARIABLES[variable]}"] = MappedWeight(name, transform)
    return WeightTable(weights, ignored)

"""The published keys of ResNets in torchvision's layout."""

import re
from collections.abc import Iterable

from keras_ssl.checkpoints.other_keys import OTHER_KEYS
from keras_ssl.checkpoints.weight_table import VARIABLES, MappedWeight, WeightTable, conv_kernel, unchanged

# lightly's examples keep torchvision's children in order: convolution, batch norm, ReLU, pooling, four stages. So does
# Mixed Barlow Twins, under "f", and for its smallest images without the pooling.
_NUMBERED = (
    (r"(?:f\.)?0\.(weight)", r"conv1.\1"),
    (r"(?:f\.)?1\.(.+)", r"bn1.\1"),
    *((rf"{3 + stage}\.(\d+\..+)", rf"layer{stage}.\1") for stage in range(1, 5)),
)
_LAYER = re.compile(r"stem_(conv|bn)|stage(\d+)_block(\d+)_(?:(conv\d|bn\d)|shortcut_(conv|bn))")


def resnet_table(names: Iterable[str], ignored: tuple[str, ...] = OTHER_KEYS, pooled: bool = True) -> WeightTable:
    """The table of a `keras_ssl.encoders.ResNet` whose weights have these names.

    The keys are torchvision's (`conv1.weight`, `bn1.running_mean`, `layer1.0.conv2.weight`,
    `layer2.0.downsample.0.weight`). Barlow Twins, VICReg, DINO, SwAV, MoCo (v3 too), solo-learn and lightly keep
    ResNets under them once `state_dict` has taken the prefixes away; also those of a `Sequential` of torchvision's
    children are known (`0.weight`, `1.running_mean`, `4.0.conv2.weight`), as in lightly's examples, and under `f` those
    of Mixed Barlow Twins. Depth, width and stem follow from the encoder.

    No weight tells how images are padded: solo-learn's ResNets for CIFAR pad their 3x3 stem by 2 pixels, this library's
    "cifar" stem by 1, so features of those differ at the borders.

    Args:
        names: of the encoder's weights, as from `keras_ssl.hub.named_weights`.
        ignored: patterns of keys that a file may hold besides. Defaults to the classifiers, heads, second
            encoders and queues of these projects.
        pooled: whether the encoder's stem pools, by which Mixed Barlow Twins numbers its stages. Defaults to True.

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
        if match is None or variable not in VARIABLES or variable == "bias":
            raise ValueError(f"`names` must be those of a ResNet's weights. Received: name={name!r}")
        stem, stage, block, inner, shortcut = match.groups()
        if stem:
            owner = f"{stem}1"
        else:
            part = inner or f"downsample.{('conv', 'bn').index(shortcut)}"
            owner = f"layer{stage}.{int(block) - 1}.{part}"
        transform = conv_kernel if variable == "kernel" else unchanged
        weights[f"{owner}.{VARIABLES[variable]}"] = MappedWeight(name, transform)
    first = 4 if pooled else 3
    stages = ((rf"f\.{first + stage}\.(\d+\..+)", rf"layer{stage + 1}.\1") for stage in range(4))
    return WeightTable(weights, ignored, (*_NUMBERED, *stages))

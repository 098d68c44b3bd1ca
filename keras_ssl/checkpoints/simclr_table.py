"""The published names of SimCLR's ResNets in TensorFlow."""

import re
from collections import defaultdict
from collections.abc import Iterable

from keras_ssl.checkpoints.weight_table import MappedWeight, WeightTable

_IGNORED = (
    r"(.*/)?(projection_head|head_supervised|head_contrastive)/.*",
    r"(.*/)?(global_step|save_counter)",
    r".*/(Momentum|LARSOptimizer)",
)
_FILE = re.compile(r"(?:.*/)?(conv2d|(?:sync_)?batch_normalization)(?:_(\d+))?/(\w+)")
_OWN = re.compile(r"(?:stage(\d+)_block(\d+)|stem)_(?:shortcut_)?(conv|bn)(\d*)/(\w+)")


def simclr_table(names: Iterable[str], file_names: Iterable[str]) -> WeightTable:
    """The table of a `keras_ssl.encoders.ResNet` of these weights, for a file that has variables of those names.

    SimCLR's program made its layers in the order stem, then block by block shortcut, first, second and third
    convolution, and TensorFlow numbered them: `resnet/conv2d_fixed_padding/conv2d/kernel`, `.../conv2d_1/kernel`, and
    so the batch norms, `.../batch_normalization_1/gamma` or `sync_batch_normalization`. So the order of the numbers
    tells which layer is which, whatever scopes stand before them and whether they begin at 0. That holds for its
    checkpoints of TensorFlow 1 too (`base_model/conv2d_1/kernel`). Variants with selective kernels have other layers
    and are refused.

    Args:
        names: of the encoder's weights, as from `keras_ssl.hub.named_weights`.
        file_names: of the file's variables, as from `read_tf_variables(path, variable_names=True)`.

    Raises:
        ValueError: if a name is not one of a ResNet.

    Example:

    >>> table = simclr_table(["stem_conv/kernel"], ["resnet/conv2d_fixed_padding/conv2d_3/kernel"])
    >>> table.weights["resnet/conv2d_fixed_padding/conv2d_3/kernel"].name
    'stem_conv/kernel'

    Reference: https://github.com/google-research/simclr/blob/master/tf2/resnet.py
    """
    files: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for name in file_names:
        match = _FILE.fullmatch(name)
        if match and not any(re.fullmatch(pattern, name) for pattern in _IGNORED):
            files["conv" if match[1] == "conv2d" else "bn", int(match[2] or 0)][match[3]] = name
    layers: dict[tuple[str, tuple[int, ...]], dict[str, str]] = defaultdict(dict)
    for name in names:
        match = _OWN.fullmatch(name)
        if match is None:
            raise ValueError(f"`names` must be those of a ResNet's weights. Received: name={name!r}")
        place = tuple(int(number or 0) for number in (match[1], match[2], match[4]))
        layers[match[3], place][match[5]] = name
    weights = {}
    for kind, label in (("conv", "conv2d"), ("bn", "batch_normalization")):
        numbered = [files[key] for key in sorted(files) if key[0] == kind]
        for number, (_, own) in enumerate(sorted(item for item in layers.items() if item[0][0] == kind)):
            there = numbered[number] if number < len(numbered) else {}
            for variable, name in own.items():
                weights[there.get(variable, f"{label} number {number}/{variable}")] = MappedWeight(name)
    return WeightTable(weights, _IGNORED)

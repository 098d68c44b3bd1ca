"""How many weights a card asks for, told from its numbers alone, before anything is built."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from keras_ssl.encoders._trunk import VARIANTS, hidden_width
from keras_ssl.encoders.conv_next import CONVNEXTS
from keras_ssl.encoders.resnet import _BLOCKS
from keras_ssl.encoders.swin import SWINS

MAX_BYTES = 2**35
"""Bytes of float32 weights beyond which no card is built, whatever its files are said to hold (32 GiB)."""
MAX_LAYERS = 512
"""Blocks of an encoder, and entries of any list in a card's arguments: each takes time, however small it is."""
MAX_SIDE = 2**16
"""Pixels of a side of the images that a card's encoder takes."""
_LEAST_BYTES = 2  # of a weight in a file: half precision


def check_encoder_size(name: str, arguments: Mapping[str, Any], listed: int | None) -> None:
    """Raises where an encoder would have more weights than its files can hold.

    Args:
        name: of the encoder's class; of one that is not known here nothing is said.
        arguments: all of its arguments, defaults too.
        listed: bytes of the files that hold its weights, or None where that is not known.

    Raises:
        ValueError: if it is too large; also `TypeError` and others, where an argument is not of its type.
    """
    sides = [side for side in tuple(arguments.get("input_shape") or ())[:2] if side is not None]
    if sides and max(sides) > MAX_SIDE:
        raise ValueError(f"Images have at most {MAX_SIDE} pixels a side. Received: input_shape={sides}")
    _check_lengths(arguments)
    # The mean of a column may be negative; it is no size.
    sizes = {key: value for key, value in arguments.items() if key != "columns"}
    sizes["columns"] = [_categories(column) for column in (arguments.get("columns") or {}).values()]
    negative = [value for value in _numbers(sizes) if value < 0]
    if negative:  # it would make up for others
        raise ValueError(f"An encoder has no negative arguments. Received: {negative[0]}")
    if name in _WEIGHTS:
        _check(f"an encoder of {{}} weights ({name})", _WEIGHTS[name](arguments), listed)


def channels_of(arguments: Mapping[str, Any]) -> int:
    """Channels of the images that an encoder takes, from its arguments; 3, the default, where they do not say.

    Example:

    >>> channels_of({}), channels_of({"channels": 13}), channels_of({"input_shape": (None, None, 1)})
    (3, 13, 1)
    """
    channels = arguments.get("channels")
    shape = arguments.get("input_shape")
    return channels if channels is not None else int(shape[-1]) if isinstance(shape, list | tuple) and shape else 3


def check_objective_size(arguments: Mapping[str, Any], listed: int | None) -> None:
    """As `check_encoder_size`, of an objective's heads and tables: the least that its arguments can mean.

    Between two widths of a list lies a kernel, and whatever has rows (queue, prototypes, clusters) has some of the
    projector's last width.
    """
    _check_lengths(arguments)
    kernels = 0
    for value in arguments.values():
        if isinstance(value, list | tuple) and all(_is_size(width) for width in value):
            kernels += sum(a * b for a, b in zip(value, value[1:], strict=False))
    projector = arguments.get("projector")
    width = projector[-1] if isinstance(projector, list | tuple) and projector and _is_size(projector[-1]) else 1
    rows = sum(arguments[name] for name in _ROWS if _is_size(arguments.get(name)))
    if arguments.get("base", "moco") != "moco":  # a queue's size that is said for nothing
        rows = 0
    samples = arguments.get("dataset_size")
    count = kernels + rows * width + (samples if _is_size(samples) else 0)
    heads = arguments.get("heads", 1)
    _check("heads of at least {} weights", count * (heads if _is_size(heads) else 1), listed)


def check_view_size(table: Any) -> None:
    """Raises where the views of a card's recipe have a number that no view needs: each crop is an object."""
    _check_lengths(table)
    for key, value in table.items():
        if _is_size(value) and value > MAX_SIDE:
            raise ValueError(f"A card's views have no number above {MAX_SIDE}. Received: views.{key}={value}")


_ROWS = ("queue_size", "prototypes", "out_dim", "clusters")


def _check(what: str, weights: int, listed: int | None) -> None:
    room = MAX_BYTES // 4 if listed is None else min(listed // _LEAST_BYTES, MAX_BYTES // 4)
    if weights > room:
        raise ValueError(
            f"The card asks for {what.format(f'{weights:,}')}, and its files hold at most {room:,}. "
            f"Received: files of {'unknown size' if listed is None else f'{listed:,} bytes'}"
        )


def _check_lengths(value: Any) -> None:
    """Raises where a list is long or a depth large, at any level."""
    if len(value) > MAX_LAYERS or (isinstance(value, Mapping) and (value.get("depth") or 0) > MAX_LAYERS):
        raise ValueError(f"Encoders and heads of a card have at most {MAX_LAYERS} layers. Received: {str(value)[:200]}")
    for item in value.values() if isinstance(value, Mapping) else value:
        if isinstance(item, Mapping | list | tuple):
            _check_lengths(item)


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value, at any level."""
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(item)
    elif isinstance(value, int | float):
        yield value


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _conv_bn(kernel: int, inside: int, out: int) -> int:
    """Weights of a convolution without bias and of its batch norm: scale, shift and two statistics."""
    return kernel * kernel * inside * out + 4 * out


def _conv_net(arguments: Mapping[str, Any]) -> int:
    widths = [arguments["input_shape"][-1], *map(int, arguments["widths"])]
    return sum(_conv_bn(3, a, b) for a, b in zip(widths, widths[1:], strict=False))


def _scattering_net(arguments: Mapping[str, Any]) -> int:
    scales, angles, order = (int(arguments[name]) for name in ("scales", "angles", "order"))
    if scales > 8 or angles > 64:  # the wavelets, which are no weights, take (2^scales)^2 numbers each
        raise ValueError(f"A card's wavelets have at most 8 scales and 64 angles. Received: {scales=}, {angles=}")
    maps = [1, scales * angles, angles * angles * scales * (scales - 1) // 2]
    maps_of_channel = sum(maps[: order + 1])
    channels = arguments["input_shape"][-1] * maps_of_channel
    widths = [channels, *map(int, arguments["widths"])]
    return 4 * channels + sum(_conv_bn(3, a, b) for a, b in zip(widths, widths[1:], strict=False))


def _resnet(arguments: Mapping[str, Any]) -> int:
    depth = arguments["depth"]
    channels = int(64 * arguments["width"])
    last = channels
    total = _conv_bn(7 if arguments["stem"] == "imagenet" else 3, channels_of(arguments), channels)
    for stage, blocks in enumerate(_BLOCKS.get(depth, ())):
        width = channels * 2**stage
        out = 4 * width if depth >= 50 else width
        for block in range(blocks):
            if depth >= 50:
                total += _conv_bn(1, last, width) + _conv_bn(3, width, width) + _conv_bn(1, width, out)
            else:
                total += _conv_bn(3, last, width) + _conv_bn(3, width, width)
            if last != out or (stage and not block):
                total += _conv_bn(1, last, out)
            last = out
    return total


def _vit(arguments: Mapping[str, Any]) -> int:
    sizes = VARIANTS.get(arguments["variant"], (0, 0, 0))
    width, blocks = (
        usual if arguments[name] is None else arguments[name]
        for name, usual in zip(("width", "depth"), sizes, strict=False)
    )
    if blocks > MAX_LAYERS:
        raise ValueError(f"Encoders of a card have at most {MAX_LAYERS} layers. Received: depth={blocks}")
    if not math.isfinite(arguments["mlp_ratio"]):
        raise ValueError(f"`mlp_ratio` must be finite. Received: mlp_ratio={arguments['mlp_ratio']}")
    hidden = hidden_width(width, arguments["mlp"], arguments["mlp_ratio"])
    gates = 2 if arguments["mlp"] == "swiglu" else 1
    first = 1 if arguments["class_token"] else 0
    patch = arguments["patch_size"]
    grid = arguments["image_size"] // patch
    total = patch * patch * channels_of(arguments) * width + width  # patches
    total += (first + arguments["registers"] + first + grid * grid) * width  # tokens and positions
    block = 4 * width + 4 * width * width + 4 * width  # two norms, attention
    block += gates * hidden * (width + 1) + hidden * width + width
    if arguments["layer_scale"] is not None:
        block += 2 * width
    if arguments["pooling"] == "attention":  # a query, three maps, a norm and a network
        total += 3 * width * width + 6 * width + hidden * (width + 1) + hidden * width + width
    return total + blocks * block + 2 * width


def _rotary_vit(arguments: Mapping[str, Any]) -> int:
    own = {"position": "learned", "image_size": arguments["patch_size"]}  # a single position, taken off again
    plain = _vit({**arguments, **own})
    sizes = VARIANTS.get(arguments["variant"], (0, 0, 0))
    width, depth, heads = (
        usual if arguments[name] is None else arguments[name]
        for name, usual in zip(("width", "depth", "heads"), sizes, strict=False)
    )
    plain -= (1 + (1 if arguments["class_token"] else 0)) * width
    gates = 2 if arguments["mlp"] == "swiglu" else 1
    hidden = hidden_width(width, arguments["mlp"], arguments["mlp_ratio"])
    norms = depth * 2 + 1 if arguments["final_scale"] else depth * 2
    plain -= 0 if arguments["final_scale"] else 2 * width
    plain -= norms * width if arguments["norm"] == "rms" else 0  # shifts
    plain -= 0 if arguments["qkv_bias"] else depth * 3 * width
    plain -= 0 if arguments["bias"] else depth * (2 * width + gates * hidden)
    head = width // max(heads, 1)
    return plain + (depth * 2 * head if arguments["rotary"] == "capi" else head // 4)


def _conv_next(arguments: Mapping[str, Any]) -> int:
    usual_width, usual_depths = CONVNEXTS.get(arguments["variant"], (0, ()))
    width = usual_width if arguments["width"] is None else arguments["width"]
    depths = usual_depths if arguments["depths"] is None else arguments["depths"]
    if max(depths, default=0) > MAX_LAYERS:
        raise ValueError(f"Encoders of a card have at most {MAX_LAYERS} layers. Received: depths={depths}")
    total = arguments["patch_size"] ** 2 * channels_of(arguments) * width + 3 * width  # and a norm
    for stage, blocks in enumerate(depths):
        if stage:
            total += 2 * width + 8 * width * width + 2 * width
            width *= 2
        block = 50 * width + 2 * width + 8 * width * width + 5 * width
        total += blocks * (block + (8 * width if arguments["version"] == 2 else width))
    return total + (2 * width if arguments["final_norm"] else 0)


def _swin(arguments: Mapping[str, Any]) -> int:
    usual = SWINS.get(arguments["variant"], (0, (), ()))
    width: Any
    depths: Any
    heads: Any
    width, depths, heads = (
        value if arguments[name] is None else arguments[name]
        for name, value in zip(("width", "depths", "heads"), usual, strict=True)
    )
    if max(depths, default=0) > MAX_LAYERS:
        raise ValueError(f"Encoders of a card have at most {MAX_LAYERS} layers. Received: depths={depths}")
    if not math.isfinite(arguments["mlp_ratio"]):
        raise ValueError(f"`mlp_ratio` must be finite. Received: mlp_ratio={arguments['mlp_ratio']}")
    window = arguments["window"]
    windows = window if isinstance(window, list | tuple) else [window] * len(depths)
    total = arguments["patch_size"] ** 2 * channels_of(arguments) * width + 3 * width  # and a norm
    for stage, (blocks, count, side) in enumerate(zip(depths, heads, windows, strict=True)):
        if stage:
            total += 8 * width + 8 * width * width
            width *= 2
        hidden = int(arguments["mlp_ratio"] * width)
        block = 9 * width + 4 * width * width + 2 * hidden * width + hidden
        total += blocks * (block + (2 * side - 1) ** 2 * count)
    return total + 2 * width


def _channel_group_vit(arguments: Mapping[str, Any]) -> int:
    groups = [list(group) for group in arguments["channel_groups"]]
    image = (None, None, sum(len(group) for group in groups))
    own = {"mlp": "gelu", "registers": 0, "layer_scale": None, "class_token": False}
    own |= {"input_shape": image, "channels": None}
    plain = _vit({**arguments, **own})
    usual = VARIANTS.get(arguments["variant"], (0, 0, 0))[0]
    width = usual if arguments["width"] is None else arguments["width"]
    # Positions are no weights; each group has a bias and an embedding, of which a plain one has the first once.
    grid = arguments["image_size"] // arguments["patch_size"]
    return plain + (2 * len(groups) - 1 + int(bool(arguments["class_token"])) - grid * grid) * width


def _categories(column: Mapping[str, Any]) -> int:
    return int(column.get("categories", 0))


def _tabular_transformer(arguments: Mapping[str, Any]) -> int:
    width, hidden = arguments["width"], int(arguments["width"] * arguments["mlp_ratio"])
    # A column of numbers has two vectors, one of categories a vector for each.
    rows = sum(_categories(column) or 2 for column in arguments["columns"].values()) + arguments["registers"]
    block = 4 * width * width + 9 * width + 2 * width * hidden + hidden
    return rows * width + arguments["depth"] * block + 2 * width


_WEIGHTS: dict[str, Callable[[Mapping[str, Any]], int]] = {
    "ChannelGroupViT": _channel_group_vit,
    "ConvNeXt": _conv_next,
    "ConvNet": _conv_net,
    "ResNet": _resnet,
    "RotaryViT": _rotary_vit,
    "ScatteringNet": _scattering_net,
    "Swin": _swin,
    "TabularTransformer": _tabular_transformer,
    "ViT": _vit,
}

"""Arguments of a method that suit the data: rules for names that methods share, and what a method says itself."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from keras_ssl.hub.signatures import known_arguments
from keras_ssl.registry import find
from keras_ssl.training import SSLModel
from keras_ssl.training.data_scale import DataScale

_LEAST_TEMPERATURE = 0.2  # of contrastive methods, whose batches are small here
_LEAST_CROP = 16  # pixels
_BLURRED_FROM = 65

# What becomes of an argument's default, by the argument's name.
_WIDTHS: Callable[[DataScale, Any], Any] = lambda scale, value: scale.widths(value)  # noqa: E731
_WIDTH: Callable[[DataScale, Any], Any] = lambda scale, value: scale.width(value)  # noqa: E731
_RULES: dict[str, Callable[[DataScale, Any], Any]] = {
    "projector": _WIDTHS,
    "predictor": _WIDTHS,
    "dense_projector": _WIDTHS,
    "local_projector": _WIDTHS,
    "queue_size": lambda scale, value: scale.queue(value),
    "momentum": lambda scale, value: scale.momentum(value),
    "out_dim": lambda scale, value: scale.groups(value),
    "prototypes": lambda scale, value: scale.groups(value),
    "clusters": lambda scale, value: scale.groups(value),
}
# The networks behind a transformer, of that many layers at most where the data are few.
_FEW_LAYERS = 2


def scaled_settings(kind: type[SSLModel], scale: DataScale, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Arguments for a method that differ from its defaults, which are those of its paper.

    - Heads, queues, momentum and numbers of prototypes follow `DataScale`.
    - A decoder or predictor of tokens is no wider than the encoder's features, and two layers deep below 100,000
      images.
    - The temperature of contrastive methods is at least 0.2 below 100,000 images.
    - `dataset_size` is the number of images.
    - A predictor ends as wide as a projector that is given, and a projector as a predictor that is.
    - What the method says in `small_settings` comes before all of these, below 100,000 images.

    Args:
        kind: the method's class.
        scale: of the training.
        given: arguments that are set already, which come first. Defaults to None.

    Returns:
        The arguments by name, those of `given` among them.

    Raises:
        ValueError: if the method needs the number of images, and it is not known.

    Example:

    >>> scale = DataScale(images=3000, image_size=32, channels=3, feature_dim=128, batch_size=128, updates=3000)
    >>> scaled_settings(keras_ssl.BYOL, scale)
    {'projector': (256, 256), 'predictor': (256, 256), 'momentum': 0.99}
    """
    known, given = _defaults(kind), dict(given or {})
    found: dict[str, Any] = {}
    for name, default in known.items():
        if name == "dataset_size":
            if scale.images is None:
                raise ValueError(f"{kind.__name__} needs the number of images. Received: dataset_size=None")
            found[name] = scale.images
        elif name in _RULES and isinstance(default, int | float | tuple) and not isinstance(default, bool):
            found[name] = _RULES[name](scale, default)
    found |= _token_networks(known, scale)
    if scale.small:
        entry = find("objective", kind.__name__)
        temperature = known.get("temperature")
        if entry is not None and entry.family == "contrastive" and isinstance(temperature, float):
            found["temperature"] = max(temperature, _LEAST_TEMPERATURE)
        found |= kind.small_settings(scale, given)
    elif kind.chosen_arguments:
        found |= {name: kind.small_settings(scale, given)[name] for name in kind.chosen_arguments}
    for name, other in (("predictor", "projector"), ("projector", "predictor")):
        widths, wanted = found.get(name), given.get(other)
        if name not in given and wanted and isinstance(widths, tuple):
            found[name] = (*widths[:-1], wanted[-1])  # what one gives, the other is compared with
    changed = {name: value for name, value in found.items() if name not in known or value != known[name]}
    return {**changed, **given}


def _token_networks(known: Mapping[str, Any], scale: DataScale) -> dict[str, Any]:
    """Width, depth and heads of the networks `decoder_*` and `predictor_*` that work on tokens."""
    found: dict[str, Any] = {}
    for part in ("decoder", "predictor"):
        width, depth, heads = (known.get(f"{part}_{what}") for what in ("width", "depth", "heads"))
        if isinstance(width, int):
            found[f"{part}_width"] = width = min(width, scale.feature_dim)
        if isinstance(depth, int) and scale.small:
            found[f"{part}_depth"] = min(depth, _FEW_LAYERS)
        if isinstance(heads, int):
            found[f"{part}_heads"] = scale.heads(width or scale.feature_dim, heads)
    return found


def _defaults(kind: type[SSLModel]) -> dict[str, Any]:
    """The method's arguments with their defaults, those of its base classes among them; `inspect.Parameter.empty` where
    there is none."""
    defaults: dict[str, Any] = {}
    for base in kind.__mro__:
        if "__init__" in base.__dict__:
            for name, parameter in inspect.signature(base.__dict__["__init__"]).parameters.items():
                defaults.setdefault(name, parameter.default)
    known = known_arguments(kind, stop="keras.")
    return {name: defaults[name] for name in known if name not in kind.fixed_arguments}


def own_views(image_size: int, channels: int) -> dict[str, Any]:
    """Arguments of `OwnViews`: views of a size, without blur up to 64 pixels, as the papers' recipes for CIFAR.

    Crops have 16 pixels or more to a side, or half of the image's area: 8 % of an image of 16 pixels show nothing.
    """
    least = round(min((_LEAST_CROP / image_size) ** 2, 0.5), 3)
    color = {} if channels == 3 else {"color": False}
    return {"size": image_size, "min_scale": least, "blur": image_size >= _BLURRED_FROM, **color}


def needs_more(kind: type[SSLModel]) -> list[str]:
    """Names of the arguments that a method needs beside an encoder and images, and that cannot be chosen."""
    chosen = ("encoder", "dataset_size", *kind.chosen_arguments)
    return [name for name, value in _defaults(kind).items() if value is inspect.Parameter.empty and name not in chosen]

"""Several color adjustments in an order that differs from image to image."""

import functools

from keras import ops

from keras_ssl.typing import Tensor
from keras_ssl.views.functional.adjust_color import (
    Planes,
    check_channels,
    gray,
    gray_mean,
    join,
    shift_hue,
    split,
)
from keras_ssl.views.functional.per_sample import per_sample


def color_jitter(
    images: Tensor,
    places: Tensor,
    brightness: Tensor | None = None,
    contrast: Tensor | None = None,
    saturation: Tensor | None = None,
    hue: Tensor | None = None,
) -> Tensor:
    """Adjusts brightness, contrast, saturation and hue, each image in its own order.

    Brightness, contrast and saturation are all `clip(a * image + b * gray + c * mean(gray), 0, 1)`; the order only
    decides which a, b and c hold in which turn: so a loop of such blends serves all orders. A turn of the hue costs as
    much as several blends. It is taken once, between a loop of those that an image's order has before it and one of the
    others. The result is that of the functions `adjust_...` called in that order.

    Args:
        images: float tensor `[N, H, W, 3]` in [0, 1], or `[N, H, W, 1]`, where saturation and hue change nothing; with
            any number of channels where neither is given.
        places: integer tensor `[N, K]`, a permutation of `0 ... K - 1` in every row: the place in the order
            of each of the K adjustments that are given, in the order of this function's arguments.
        brightness: float tensor `[N]` of factors; None (default) leaves the adjustment out.
        contrast: likewise.
        saturation: likewise.
        hue: float tensor `[N]` of turns; None (default) leaves it out.

    Returns:
        Float tensor of the shape of `images`.
    """
    # Brightness and contrast take any channels, saturation and hue what are colors.
    colors = saturation is not None or hue is not None
    channels = check_channels(images, "color_jitter") if colors else images.shape[-1]
    adjustments = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
    given: dict[str, Tensor] = {
        name: per_sample(value, rank=3) for name, value in adjustments.items() if value is not None
    }
    at = {name: per_sample(places[:, k], rank=3, dtype=None) for k, name in enumerate(given)}
    turns = len(given)
    if channels == 1:
        given = {name: value for name, value in given.items() if name in ("brightness", "contrast")}
    hue_at, hue = at.pop("hue", None), given.pop("hue", None)
    planes = split(images)
    if hue is None:
        return join(_blended(planes, range(turns), at, given))
    before = {name: ops.where(place < hue_at, place, -1) for name, place in at.items()}
    after = {name: ops.where(place > hue_at, place, -1) for name, place in at.items()}
    planes = _blended(planes, range(turns - 1), before, given)
    planes = shift_hue(planes, hue)
    return join(_blended(planes, range(1, turns), after, given))


def _blended(planes: Planes, turns: range, at: dict[str, Tensor], given: dict[str, Tensor]) -> Planes:
    """Takes the blends that are `given` in the turns `at` which each image has them: none where that is no turn."""

    def blend(turn: Tensor, planes: Planes) -> Planes:
        now = {name: at[name] == turn for name in given}
        scale: Tensor | float = 1.0
        offset: Tensor | float = 0.0
        for name, factor in given.items():
            scale = ops.where(now[name], factor, scale)
        if "contrast" in given:
            offset = ops.where(now["contrast"], 1.0 - given["contrast"], 0.0) * gray_mean(planes)
        if "saturation" in given:
            offset = offset + ops.where(now["saturation"], 1.0 - given["saturation"], 0.0) * gray(planes)
        # A resize may have left values outside of [0, 1]: they are clipped by a blend, not by a turn without one.
        anything = functools.reduce(ops.logical_or, now.values())
        return tuple(ops.where(anything, ops.clip(scale * p + offset, 0.0, 1.0), p) for p in planes)

    # A loop, not one copy per turn: XLA on a CPU fuses the copies into a single expression that it evaluates
    # again and again (measured: a second per batch instead of milliseconds).
    return ops.fori_loop(turns.start, turns.stop, blend, planes) if given else planes

"""Several colour adjustments in an order that differs from image to image."""

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

    Brightness, contrast and saturation are all `clip(a * image + b * grey + c * mean(grey), 0, 1)`; the order
    only decides which a, b and c hold in which pass. So a pass costs one such blend and one hue shift, and
    each image keeps of the two what its order asks for. The result is that of the functions `adjust_...`
    called in that order.

    Args:
        images: float tensor `[N, H, W, 3]` in [0, 1], or `[N, H, W, 1]`, where saturation and hue change nothing.
        places: integer tensor `[N, K]`, a permutation of `0 ... K - 1` in every row: the place in the order
            of each of the K adjustments that are given, in the order of this function's arguments.
        brightness: float tensor `[N]` of factors; None (default) leaves the adjustment out.
        contrast: likewise.
        saturation: likewise.
        hue: float tensor `[N]` of turns; None (default) leaves it out.

    Returns:
        Float tensor of the shape of `images`.
    """
    channels = check_channels(images, "color_jitter")
    adjustments = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
    given: dict[str, Tensor] = {
        name: per_sample(value, rank=3) for name, value in adjustments.items() if value is not None
    }
    at = {name: per_sample(places[:, k], rank=3, dtype=None) for k, name in enumerate(given)}
    passes = len(given)
    if channels == 1:
        given = {name: value for name, value in given.items() if name in ("brightness", "contrast")}

    def one_pass(turn: Tensor, planes: Planes) -> Planes:
        def now(name: str, then: Tensor, otherwise: Tensor | float) -> Tensor:
            return ops.where(at[name] == turn, then, otherwise)

        scale: Tensor | float = 1.0
        offset: Tensor | float = 0.0
        for name in given:
            if name != "hue":
                scale = now(name, given[name], scale)
        if "contrast" in given:
            offset = now("contrast", 1.0 - given["contrast"], 0.0) * gray_mean(planes)
        if "saturation" in given:
            offset = offset + now("saturation", 1.0 - given["saturation"], 0.0) * gray(planes)
        blended = tuple(ops.clip(scale * plane + offset, 0.0, 1.0) for plane in planes)
        if "hue" not in given:
            return blended
        turned = shift_hue(planes, given["hue"])
        return tuple(now("hue", t, b) for t, b in zip(turned, blended, strict=True))

    # A loop, not one copy per pass: XLA on a CPU fuses the copies into a single expression that it evaluates
    # again and again (measured: a second per batch instead of milliseconds).
    return join(ops.fori_loop(0, passes, one_pass, split(images)))

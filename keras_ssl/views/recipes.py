"""The papers' views, ready to use, and those of the embedded data.

Each function returns a `MultiView` of pipelines that give float images in [0, 1]. None of them
normalizes: the model does that itself, because it needs the same at inference. On small images (32 pixels and
less) the published CIFAR recipes leave the blur out: `blur=False`. `strength` multiplies the four ranges of the
color jitter, as SimCLR defines it; `min_scale` is the smallest crop as a fraction of the image's area. Where
channels are no colors, `color=False` leaves out saturation, hue and gray, so that any number of channels will do.
"""

from collections.abc import Sequence

from keras_ssl.losses.numeric import check_integer
from keras_ssl.views.color_jitter import ColorJitter
from keras_ssl.views.compose import Compose
from keras_ssl.views.gaussian_blur import GaussianBlur
from keras_ssl.views.multi_crop import MultiCrop
from keras_ssl.views.multi_view import MultiView
from keras_ssl.views.random_apply import RandomApply
from keras_ssl.views.random_flip import RandomFlip
from keras_ssl.views.random_grayscale import RandomGrayscale
from keras_ssl.views.random_resized_crop import RandomResizedCrop
from keras_ssl.views.solarize import Solarize
from keras_ssl.views.view import View

_BYOL_JITTER = (0.4, 0.4, 0.2, 0.1)


def _pipeline(
    size: int | None,
    scale: float | Sequence[float],
    jitter: tuple[float, float, float, float],
    blur: float,
    solarize: float = 0.0,
    interpolation: str = "bicubic",
    color: bool = True,
) -> Compose:
    """Crop, flip, colors, gray, blur, solarize: what the recipes share. The last two are probabilities.

    `scale` is the range of the crop's area, or the least of a range up to 1.
    """
    return _pipelines(size, scale, jitter, [(blur, solarize)], interpolation, color)[0]


def _pipelines(
    size: int | None,
    scale: float | Sequence[float],
    jitter: tuple[float, float, float, float],
    ends: Sequence[tuple[float, float]],
    interpolation: str = "bicubic",
    color: bool = True,
) -> list[Compose]:
    """As `_pipeline`, for several pairs of probabilities; what comes before is the same objects, compiled once."""
    common: list[View] = [
        RandomResizedCrop(
            size, scale=scale if isinstance(scale, Sequence) else (scale, 1.0), interpolation=interpolation
        ),
        RandomFlip(0.5),
        RandomApply(ColorJitter(*jitter), 0.8),
    ]
    if color:
        common.append(RandomGrayscale(0.2))
    made = []
    for blur, solarize in ends:
        blurs: list[View] = [RandomApply(GaussianBlur((0.1, 2.0)), blur)] if blur > 0.0 else []
        solarizes: list[View] = [RandomApply(Solarize(0.5), solarize)] if solarize > 0.0 else []
        made.append(Compose([*common, *blurs, *solarizes]))
    return made


def _scaled(
    jitter: tuple[float, float, float, float], strength: float, color: bool = True
) -> tuple[float, float, float, float]:
    """The jitter times `strength`; without `color`, of brightness and contrast alone."""
    if not 0.0 <= strength * jitter[3] <= 0.5:
        raise ValueError(
            f"Argument `strength` must lie in [0, {0.5 / jitter[3]:g}], which turns the hue by half a turn. "
            f"Received: strength={strength!r}"
        )
    brightness, contrast, saturation, hue = (strength * value for value in jitter)
    return (brightness, contrast, saturation, hue) if color else (brightness, contrast, 0.0, 0.0)


def _asymmetric(
    size: int | None, strength: float, blur: bool, min_scale: float, color: bool, interpolation: str
) -> MultiView:
    """BYOL's pair: the first view always blurred, the second rarely, but sometimes solarized."""
    jitter = _scaled(_BYOL_JITTER, strength, color)
    return MultiView(_pipelines(size, min_scale, jitter, _byol_ends(blur), interpolation, color))


def _byol_ends(blur: bool) -> list[tuple[float, float]]:
    """BYOL's probabilities of blur and solarization: the first view always blurred, the second sometimes solarized."""
    return [(1.0, 0.0), (0.1, 0.2)] if blur else [(0.0, 0.0), (0.0, 0.2)]


def simclr(
    size: int | None = None, strength: float = 1.0, blur: bool = True, min_scale: float = 0.08, color: bool = True
) -> MultiView:
    """SimCLR's two views, alike: bicubic crop, flip, jitter (.8 .8 .8 .2) at 0.8, gray at 0.2, blur at 0.5.

    Args:
        size: side of the views in pixels; default None keeps the images' own.
        strength: multiplies the jitter; default 1, SimCLR's for ImageNet. It used 0.5 for CIFAR-10.
        blur: whether to blur at all; default True. SimCLR leaves it out for CIFAR-10.
        min_scale: the smallest crop's area as a fraction of the image's; default 0.08.
        color: whether saturation and hue are changed and images made gray; default True. False is for images
            whose channels are not red, green and blue.

    Returns:
        A `MultiView` of two pipelines.

    Raises:
        ValueError: as the views do, and for a strength that turns the hue by more than half a turn.

    Example:

    >>> from keras_ssl.views import simclr
    >>> len(simclr(size=32, strength=0.5, blur=False))
    2

    Reference: [A Simple Framework for Contrastive Learning of Visual Representations](
    https://arxiv.org/abs/2002.05709), appendices A and B.9.
    """
    pipeline = _pipeline(
        size, min_scale, _scaled((0.8, 0.8, 0.8, 0.2), strength, color), blur=0.5 if blur else 0.0, color=color
    )
    return MultiView([pipeline, pipeline])


def barlow_twins(
    size: int | None = None, strength: float = 1.0, blur: bool = True, min_scale: float = 0.08, color: bool = True
) -> MultiView:
    """Barlow Twins' two views, which are BYOL's: see `byol`.

    Args:
        size: side of the views in pixels; default None keeps the images' own.
        strength: multiplies the jitter; default 1.
        blur: whether to blur at all; default True.
        min_scale: the smallest crop's area as a fraction of the image's; default 0.08.
        color: whether saturation and hue are changed and images made gray; default True. False is for images
            whose channels are not red, green and blue.

    Returns:
        A `MultiView` of two pipelines.

    Raises:
        ValueError: as the views do, and for a strength that turns the hue by more than half a turn.

    Example:

    >>> from keras_ssl.views import barlow_twins
    >>> len(barlow_twins(size=32, blur=False))
    2

    Reference: [Barlow Twins: Self-Supervised Learning via Redundancy Reduction](https://arxiv.org/abs/2103.03230),
    section 2.2.
    """
    return _asymmetric(size, strength, blur, min_scale, color, "bicubic")


def byol(
    size: int | None = None, strength: float = 1.0, blur: bool = True, min_scale: float = 0.08, color: bool = True
) -> MultiView:
    """BYOL's two views: bicubic crop, flip, jitter (.4 .4 .2 .1) at 0.8 and gray at 0.2 in both.

    The first view is always blurred; the second is blurred at 0.1 and solarized at 0.2.

    Args:
        size: side of the views in pixels; default None keeps the images' own.
        strength: multiplies the jitter; default 1.
        blur: whether to blur at all; default True.
        min_scale: the smallest crop's area as a fraction of the image's; default 0.08.
        color: whether saturation and hue are changed and images made gray; default True. False is for images
            whose channels are not red, green and blue.

    Returns:
        A `MultiView` of two pipelines.

    Raises:
        ValueError: as the views do, and for a strength that turns the hue by more than half a turn.

    Example:

    >>> from keras_ssl.views import byol
    >>> len(byol(size=32, blur=False))
    2

    Reference: [Bootstrap Your Own Latent](https://arxiv.org/abs/2006.07733), appendix B.
    """
    return _asymmetric(size, strength, blur, min_scale, color, "bicubic")


def vicreg(
    size: int | None = None, strength: float = 1.0, blur: bool = True, min_scale: float = 0.08, color: bool = True
) -> MultiView:
    """VICReg's two views, alike: bicubic crop, flip, jitter (.4 .4 .2 .1) at 0.8, gray at 0.2.

    Blur follows at 0.5 and solarize at 0.1. These are BYOL's two views made one, as in the paper's appendix. The
    authors' code runs `byol` itself.

    Args:
        size: side of the views in pixels; default None keeps the images' own.
        strength: multiplies the jitter; default 1.
        blur: whether to blur at all; default True.
        min_scale: the smallest crop's area as a fraction of the image's; default 0.08.
        color: whether saturation and hue are changed and images made gray; default True. False is for images
            whose channels are not red, green and blue.

    Returns:
        A `MultiView` of two pipelines.

    Raises:
        ValueError: as the views do, and for a strength that turns the hue by more than half a turn.

    Example:

    >>> from keras_ssl.views import vicreg
    >>> len(vicreg(size=32, blur=False))
    2

    Reference: [VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning](
    https://arxiv.org/abs/2105.04906).
    """
    pipeline = _pipeline(
        size, min_scale, _scaled(_BYOL_JITTER, strength, color), blur=0.5 if blur else 0.0, solarize=0.1, color=color
    )
    return MultiView([pipeline, pipeline])


def moco(
    version: int = 2,
    size: int | None = None,
    strength: float = 1.0,
    blur: bool = True,
    min_scale: float = 0.2,
    color: bool = True,
) -> MultiView:
    """MoCo's two views, version 2 or 3, with bilinear crops.

    Version 2: both views alike, jitter (.4 .4 .4 .1) at 0.8, gray at 0.2, blur at 0.5. Version 3: the two
    views of `byol`.

    Args:
        version: 2 (default) or 3.
        size: side of the views in pixels; default None keeps the images' own.
        strength: multiplies the jitter; default 1.
        blur: whether to blur at all; default True.
        min_scale: the smallest crop's area as a fraction of the image's; default 0.2, which version 3 uses
            with ResNets; with ViTs it uses 0.08.
        color: whether saturation and hue are changed and images made gray; default True. False is for images
            whose channels are not red, green and blue.

    Returns:
        A `MultiView` of two pipelines.

    Raises:
        ValueError: for another version, as the views do, and for a strength that turns the hue by more than half a
            turn.

    Example:

    >>> from keras_ssl.views import moco
    >>> len(moco(version=3, size=32))
    2

    Reference: [Improved Baselines with Momentum Contrastive Learning](https://arxiv.org/abs/2003.04297); [An
    Empirical Study of Training Self-Supervised Vision Transformers](https://arxiv.org/abs/2104.02057).
    """
    if version not in (2, 3):
        raise ValueError(f"Argument `version` must be 2 or 3. Received: version={version!r}")
    if version == 3:
        return _asymmetric(size, strength, blur, min_scale, color, "bilinear")
    jitter = _scaled((0.4, 0.4, 0.4, 0.1), strength, color)
    pipeline = _pipeline(size, min_scale, jitter, blur=0.5 if blur else 0.0, interpolation="bilinear", color=color)
    return MultiView([pipeline, pipeline])


def swav(
    size: int | None = None,
    local_size: int | None = None,
    local_copies: int = 6,
    strength: float = 1.0,
    blur: bool = True,
    global_scale: Sequence[float] = (0.14, 1.0),
    local_scale: Sequence[float] = (0.05, 0.14),
    color: bool = True,
) -> MultiCrop:
    """SwAV's crops, two global and six local, all alike but for size and scale.

    Bilinear crop, flip, jitter (.8 .8 .8 .2) at 0.8, gray at 0.2, blur at 0.5. On ImageNet the paper's sizes are
    `size=224, local_size=96`.

    Args:
        size: side of the global views in pixels; default None keeps the images' own.
        local_size: side of the local views in pixels; default None keeps the images' own.
        local_copies: number of local views; default 6.
        strength: multiplies the jitter; default 1.
        blur: whether to blur at all; default True.
        global_scale: range of the global crops' area as a fraction of the image's; default (0.14, 1.0).
        local_scale: that of the local crops; default (0.05, 0.14).
        color: whether saturation and hue are changed and images made gray; default True. False is for images
            whose channels are not red, green and blue.

    Returns:
        A `MultiCrop`, the two global pipelines first.

    Raises:
        ValueError: as the views do, and for a strength that turns the hue by more than half a turn.

    Example:

    >>> from keras_ssl.views import swav
    >>> len(swav(size=32, local_size=16, blur=False))
    8

    Reference: [Unsupervised Learning of Visual Features by Contrasting Cluster Assignments](
    https://arxiv.org/abs/2006.09882), section 3.2 and appendix A; scales as in the authors' code.
    """
    local_copies = check_integer("local_copies", local_copies, 0)
    jitter = _scaled((0.8, 0.8, 0.8, 0.2), strength, color)

    def pipeline(side: int | None, scale: Sequence[float]) -> Compose:
        return _pipeline(side, scale, jitter, blur=0.5 if blur else 0.0, interpolation="bilinear", color=color)

    return MultiCrop([pipeline(size, global_scale)] * 2, [pipeline(local_size, local_scale)] * local_copies)


def dino(
    size: int | None = None,
    local_size: int | None = None,
    local_copies: int = 8,
    strength: float = 1.0,
    blur: bool = True,
    global_scale: Sequence[float] = (0.4, 1.0),
    local_scale: Sequence[float] = (0.05, 0.4),
    color: bool = True,
) -> MultiCrop:
    """DINO's crops, two global and eight local: bicubic crop, flip, jitter (.4 .4 .2 .1) at 0.8, gray at 0.2.

    The first global view is always blurred, the second blurred at 0.1 and solarized at 0.2, the local ones blurred
    at 0.5. On ImageNet the authors' sizes are `size=224, local_size=96`; they take the global scale (0.25, 1.0) and
    the local scale (0.05, 0.25) for their longest runs.

    Args:
        size: side of the global views in pixels; default None keeps the images' own.
        local_size: side of the local views in pixels; default None keeps the images' own.
        local_copies: number of local views; default 8.
        strength: multiplies the jitter; default 1.
        blur: whether to blur at all; default True.
        global_scale: range of the global crops' area as a fraction of the image's; default (0.4, 1.0).
        local_scale: that of the local crops; default (0.05, 0.4).
        color: whether saturation and hue are changed and images made gray; default True. False is for images
            whose channels are not red, green and blue.

    Returns:
        A `MultiCrop`, the two global pipelines first.

    Raises:
        ValueError: as the views do, and for a strength that turns the hue by more than half a turn.

    Example:

    >>> from keras_ssl.views import dino
    >>> len(dino(size=32, local_size=16, blur=False))
    10

    Reference: [Emerging Properties in Self-Supervised Vision Transformers](https://arxiv.org/abs/2104.14294),
    section 3.2; probabilities as in the authors' code.
    """
    local_copies = check_integer("local_copies", local_copies, 0)
    jitter = _scaled(_BYOL_JITTER, strength, color)
    local = _pipeline(local_size, local_scale, jitter, blur=0.5 if blur else 0.0, color=color)
    return MultiCrop(_pipelines(size, global_scale, jitter, _byol_ends(blur), color=color), [local] * local_copies)


def ressl(
    size: int | None = None, strength: float = 1.0, blur: bool = True, min_scale: float = 0.2, color: bool = True
) -> MultiView:
    """ReSSL's two views: the student's, which is MoCo v2's, and the teacher's, which is only cropped and flipped.

    Args:
        size: side of the views in pixels; default None keeps the images' own.
        strength: multiplies the jitter; default 1.
        blur: whether to blur the first view at all; default True.
        min_scale: the smallest crop's area as a fraction of the image's, in both views; default 0.2.
        color: whether saturation and hue are changed and images made gray; default True. False is for images
            whose channels are not red, green and blue.

    Returns:
        A `MultiView` of two pipelines, strong and weak.

    Raises:
        ValueError: as the views do, and for a strength that turns the hue by more than half a turn.

    Example:

    >>> from keras_ssl.views import ressl
    >>> [len(pipeline) for pipeline in ressl(size=32).views]
    [5, 2]

    Reference: [ReSSL: Relational Self-Supervised Learning with Weak Augmentation](https://arxiv.org/abs/2107.09282).
    """
    strong = moco(2, size, strength, blur, min_scale, color).views[0]
    weak = [RandomResizedCrop(size, scale=(min_scale, 1.0), interpolation="bilinear"), RandomFlip(0.5)]
    return MultiView([strong, Compose(weak)])


def colored_digits(
    strength: float = 1.0,
    min_scale: float = 0.5,
    gray: float = 0.5,
    invert: float = 0.5,
    copies: int = 2,
    local_copies: int = 0,
    local_size: int | None = None,
    local_scale: Sequence[float] = (0.2, 0.5),
) -> MultiView:
    """Views for `keras_ssl.data.colored_digits`: they remove what the data varies.

    Place and scale go by bilinear crops, color by a jitter that turns the hue fully, light on dark by inversion
    (solarizing from 0 up). There is no flip: it would make other characters of digits.

    Args:
        strength: multiplies the jitter of brightness, contrast and saturation (.8 each); default 1.
        min_scale: the smallest crop's area as a fraction of the image's; default 0.5.
        gray: probability of a gray image; default 0.5.
        invert: probability of an inverted image; default 0.5.
        copies: number of views; default 2.
        local_copies: number of local views after them (multi-crop); default 0.
        local_size: side of the local views in pixels; default None keeps the images' own.
        local_scale: range of the local crops' area as a fraction of the image's; default (0.2, 0.5).

    Returns:
        A `MultiView` of `copies` equal pipelines, which draw different numbers; a `MultiCrop` where there are local
        views.

    Raises:
        ValueError: as the views do, and if `copies` is not a positive integer or `local_copies` is negative.

    Example:

    >>> from keras_ssl.views import colored_digits
    >>> len(colored_digits(copies=4))
    4
    """
    copies = check_integer("copies", copies, 1)
    local_copies = check_integer("local_copies", local_copies, 0)
    jitter = 0.8 * strength
    ops: list[View] = [
        ColorJitter(jitter, jitter, jitter, 0.5),
        RandomGrayscale(gray),
        RandomApply(Solarize(0.0), invert),
    ]
    pipelines = [Compose([RandomResizedCrop(scale=(min_scale, 1.0)), *ops])] * copies
    if not local_copies:
        return MultiView(pipelines)
    return MultiCrop(pipelines, [Compose([RandomResizedCrop(local_size, scale=local_scale), *ops])] * local_copies)

"""An objective's own views at another size, milder, and without what does not suit the images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keras_ssl.registry import register
from keras_ssl.views.color_jitter import ColorJitter
from keras_ssl.views.compose import Compose
from keras_ssl.views.gaussian_blur import GaussianBlur
from keras_ssl.views.identity import Identity
from keras_ssl.views.multi_crop import MultiCrop
from keras_ssl.views.random_apply import RandomApply
from keras_ssl.views.random_grayscale import RandomGrayscale
from keras_ssl.views.random_resized_crop import RandomResizedCrop
from keras_ssl.views.view import View
from keras_ssl.views.view_list import ViewList


@register("views", name="own")
@dataclass(frozen=True)
class OwnViews:
    """In the place of `views`: the objective's own, at another size, milder, without blur or changes of color.

    The objective replaces it by the views that come of its own; recipes say `views.name = "own"`.

    Args:
        size: side of the crops in pixels that keep the images' size by themselves. Defaults to None: they keep it.
        local_size: the same of local crops, of a `MultiCrop`. Defaults to None: `size`.
        min_scale: the least area of crops as a fraction of the image's, where it is below that and the largest is not.
            Defaults to 0: their own.
        strength: multiplies the ranges of the color jitter. Defaults to 1.
        blur: whether to blur. Defaults to True.
        color: whether to change saturation and hue, and to make images gray. Defaults to True.

    Example:

    >>> from keras_ssl.views import simclr
    >>> OwnViews(size=32, blur=False).of(simclr()) == simclr(size=32, blur=False)
    True
    """

    size: int | None = None
    local_size: int | None = None
    min_scale: float = 0.0
    strength: float = 1.0
    blur: bool = True
    color: bool = True

    def of(self, views: Any) -> Any:
        """The changed views; what is no `View` stays as it is.

        Args:
            views: the objective's own.
        """
        return self._changed(views, self.size, {}) or views

    def get_config(self) -> dict[str, Any]:
        return asdict(self)

    def _changed(self, view: Any, size: int | None, known: dict[tuple[int, int | None], Any]) -> Any:
        """The changed view, or None where nothing is left of it. Equal objects stay equal objects: they are compiled
        once."""
        key = (id(view), size)
        if key not in known:
            known[key] = self._change(view, size, known)
        return known[key]

    def _change(self, view: Any, size: int | None, known: dict[tuple[int, int | None], Any]) -> Any:
        if isinstance(view, MultiCrop):
            local_size = self.local_size or size
            local_views = [self._changed(part, local_size, known) or Identity() for part in view.local_views]
            return MultiCrop(
                [self._changed(part, size, known) or Identity() for part in view.global_views], local_views
            )
        if isinstance(view, Compose):
            parts = [part for part in (self._changed(part, size, known) for part in view.views) if part is not None]
            return Compose(parts) if parts else None
        if isinstance(view, ViewList):
            return type(view)([self._changed(part, size, known) or Identity() for part in view.views])
        if isinstance(view, RandomApply):
            op = self._changed(view.op, size, known)
            return None if op is None else RandomApply(op, view.probability)
        if isinstance(view, GaussianBlur):
            return view if self.blur else None
        if isinstance(view, RandomGrayscale):
            return view if self.color else None
        if isinstance(view, ColorJitter):
            names = ("brightness", "contrast", "saturation", "hue")
            gone = () if self.color else names[2:]
            ranges = {name: 0.0 if name in gone else _scaled(view.arguments[name], self.strength) for name in names}
            return ColorJitter(**ranges)
        if isinstance(view, RandomResizedCrop):
            low, high = view.scale
            scale = [max(low, self.min_scale) if high > self.min_scale else low, high]
            return _with(view, size=size if view.size is None else view.size, scale=scale)
        return view


def _with(view: View, **changes: Any) -> View:
    return type(view).from_config({**view.get_config(), **changes})


def _scaled(value: Any, strength: float) -> Any:
    """A range of the jitter, times the strength; a pair of factors stays as it is."""
    return value if isinstance(value, Sequence) else value * strength

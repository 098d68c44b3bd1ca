"""What views that hold other views have in common."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from keras_ssl.views.view import View, deserialize_view, equal_views_once, serialize_view


class ViewList(View):
    """A view made of other views; the base of `Compose` and `MultiView`.

    Args:
        views: the views, at least one.

    Attributes:
        argument: the name of a subclass's only argument, a list of views.
        views: that list.
    """

    argument: ClassVar[str] = "views"

    def __init__(self, views: Sequence[View]) -> None:
        valid = isinstance(views, Sequence) and len(views) > 0 and all(isinstance(view, View) for view in views)
        if not valid:
            raise ValueError(
                f"Argument `{self.argument}` must be a non-empty list of views. Received: {self.argument}={views!r}"
            )
        if any(view.makes_list for view in views):
            raise ValueError(
                f"Argument `{self.argument}` must hold views that give one result each. "
                f"Received: {self.argument}={views!r}"
            )
        self.views = list(views)
        self.supports_jit = all(view.supports_jit for view in self.views)
        self.whole_batch = any(view.whole_batch for view in self.views)
        self.sums_neighbors = any(view.sums_neighbors for view in self.views)
        self.colors = any(view.colors for view in self.views)

    @property
    def is_random(self) -> bool:
        return any(view.is_random for view in self.views)

    @property
    def unit_range(self) -> bool:
        return all(view.unit_range for view in self.views)

    def __len__(self) -> int:
        return len(self.views)

    def get_config(self) -> dict[str, Any]:
        configs = [serialize_view(view) for view in self.views]
        return {**super().get_config(), self.argument: configs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        with equal_views_once():
            return cls(**{**config, cls.argument: [deserialize_view(view) for view in config[cls.argument]]})

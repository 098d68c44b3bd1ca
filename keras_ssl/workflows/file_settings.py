"""How files become the images of a model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from keras_ssl.hub.recipe import Recipe
from keras_ssl.hub.recipe_data import DataSource

DEFAULT_SIZE = 224
"""Side of images from files, in pixels, where neither the model nor the user says it."""


@dataclass(frozen=True)
class FileSettings:
    """What a model's training says of images in files.

    Args:
        size: their side in pixels. Defaults to None: it is not known.
        bands: number of bands of stacks of bands. Defaults to None: the images are photographs.
        value_range: of stacks of bands, as for `keras_ssl.data.from_folder`. Defaults to None.
        max_damaged: the share of files that may be damaged. Defaults to None: that of the reader.
    """

    size: int | None = None
    bands: int | None = None
    value_range: Sequence[float] | None = None
    max_damaged: float | None = None

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> "FileSettings":
        """Those of a recipe."""
        views, data = (recipe.sections.get(section, {}) for section in ("views", "data"))
        return cls(
            views.get("size") or data.get("size"), data.get("bands"), data.get("value_range"), data.get("max_damaged")
        )

    def given(
        self,
        image_size: int | None,
        value_range: Sequence[float] | None = None,
        max_damaged: float | None = None,
    ) -> "FileSettings":
        """These settings, and before them what is given."""
        return replace(
            self,
            size=image_size or self.size or DEFAULT_SIZE,
            value_range=self.value_range if value_range is None else value_range,
            max_damaged=self.max_damaged if max_damaged is None else max_damaged,
        )

    def arguments(self, source: DataSource) -> dict[str, Any]:
        """What a source of files is opened with."""
        said = {"bands": self.bands, "value_range": self.value_range, "max_damaged": self.max_damaged}
        known = {name: value for name, value in said.items() if value is not None and name in source.known}
        return {"size": self.size, **known}

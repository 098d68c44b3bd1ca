"""A trained encoder to go on from, and an objective with new heads around it."""

import os
from collections.abc import Sequence
from typing import Any, TypeVar

import keras

from keras_ssl.hub.catalogue import find
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.losses.numeric import check_integer
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.typing import Tensor

Objective = TypeVar("Objective", bound=SSLModel)


@register("encoder", name="Pretrained")
def pretrained(
    entry: str | os.PathLike[str],
    image_size: int | None = None,
    pooling: str | None = "auto",
    accept_license: str | None = None,
    **where: Any,
) -> keras.Model:
    """The encoder of an entry, to go on training: its input is what the entry's preprocessing gives.

    Of a vision transformer the positions are interpolated once, to the grid of images of `image_size`; at that size it
    gives the features that the entry gives, and later it has a table of that size. Other sizes are still taken.

    Args:
        entry: a name of `list_models()`, or the folder that `keras_ssl.export` wrote.
        image_size: side of the images in pixels. Defaults to None: the entry's.
        pooling: as for `load`. Defaults to "auto".
        accept_license: as for `load`. Defaults to None.
        **where: other arguments of `load`, such as `cache_dir` and `mirror`.

    Raises:
        ValueError: as `load`, and before anything is downloaded if `image_size` is no multiple of the patch size.

    Example:

    ```python
    encoder = pretrained("dinov2_vits14", image_size=224)  # a ViT with a table of 16 x 16 positions
    ```
    """
    from keras_ssl.hub.load import load  # it reads recipes, which name this function

    known = {key: where[key] for key in ("cache_dir", "require_hash") if key in where}
    arguments = find(entry, **known).read_card().architecture.get("arguments", {})
    patch = arguments.get("patch_size")
    if image_size is not None:
        check_integer("image_size", image_size, 1)
        if patch is not None and image_size % patch:
            raise ValueError(
                f"`image_size` must be a multiple of {patch}, the patch size of {os.fspath(entry)}. "
                f"Received: image_size={image_size}"
            )
    of_patches = patch is not None
    size: dict[str, Any] = {} if image_size is None or of_patches else {"image_size": image_size}
    encoder = load(entry, pooling=pooling, include_preprocessing=False, accept_license=accept_license, **size, **where)
    if not of_patches or image_size in (None, getattr(encoder, "image_size", None)):
        return encoder
    resized = type(encoder).from_config({**encoder.get_config(), "image_size": image_size})
    for new, old in zip(resized.weights, encoder.weights, strict=True):
        new.assign(_resized(old, encoder, image_size // patch) if new.shape != old.shape else old)
    return resized


def entry_preprocessing(entry: str | os.PathLike[str]) -> ImagePreprocessing | None:
    """What prepares the input of an entry's encoder, or None where its card has nothing."""
    return find(entry).read_card().build_preprocessing()


def objective_from_entry(
    kind: type[Objective],
    entry: str | os.PathLike[str],
    *arguments: Any,
    image_size: int | None = None,
    pooling: str | None = "auto",
    accept_license: str | None = None,
    **options: Any,
) -> Objective:
    """See `SSLModel.from_entry`."""
    encoder = pretrained(entry, image_size, pooling, accept_license)
    options.setdefault("preprocessing", entry_preprocessing(entry))
    model = kind(encoder, *arguments, **options)
    check_views_fit(model)
    return model


def check_views_fit(model: SSLModel) -> None:
    """Raises a `ValueError` where views of a vision transformer are no whole number of patches, and a border of them
    would not be seen.

    Views of unknown size, such as those of a function that keeps the size of its images, are taken to be made of images
    of the encoder's size.
    """
    patch, size = getattr(model.encoder, "patch_size", None), getattr(model.encoder, "image_size", None)
    if patch is None or size is None:
        return
    images = keras.KerasTensor((2, size, size, model.encoder_input_shape[-1]), "float32")
    sides = [tuple(view.shape[1:3]) for view in _Views(model).compute_output_spec(images)]
    if any(side is not None and side % patch for view in sides for side in view):
        shown = ", ".join(f"{height}x{width}" for height, width in dict.fromkeys(sides))
        raise ValueError(
            f"`views` must make images whose sides are multiples of the encoder's patch size, {patch}. "
            f"Received: views of {shown} pixels"
        )


class _Views(keras.layers.Layer):
    """The views of a model as a layer, which tells their shapes without computing them."""

    def __init__(self, model: SSLModel) -> None:
        super().__init__(autocast=False)
        self._make = model.call_views

    def call(self, images: Tensor) -> Sequence[Tensor]:
        return self._make(images, Step.at(2, seed=0))


def _resized(position: Any, encoder: Any, grid: int) -> Tensor:
    """A table of positions for a grid of another size, as the layer itself interpolates it."""
    layer, ops = encoder.get_layer("tokens"), keras.ops
    own = position.shape[0] - layer.grid**2
    table = ops.convert_to_tensor(position)
    patches = ops.reshape(layer.on_grid(table[own:], grid, grid), (grid**2, -1))
    return ops.concatenate([table[:own], patches], axis=0)

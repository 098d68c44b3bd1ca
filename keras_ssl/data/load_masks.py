"""A folder of images and a folder of their masks as arrays."""

import os
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from keras_ssl.data.image_listing import PHOTOS, ImageListing
from keras_ssl.losses.numeric import check_integer
from keras_ssl.paths import user_path

__all__ = ["load_masks"]


def load_masks(
    images: str | os.PathLike[str], masks: str | os.PathLike[str], size: int | None = None, ignore: int | None = 255
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Reads images and the masks of their pixels into memory: two folders whose files have equal stems.

    `images/park/1.jpg` belongs to `masks/park/1.png`. A mask is a file of one channel without losses (PNG, BMP, TIFF),
    gray or with a palette, whose numbers are taken as they are: of 8 or 16 bits.

    Args:
        images: folder of the images; read as RGB.
        masks: folder of the masks.
        size: height and width that images and masks are brought to: the center square, images bilinearly, of masks the
            nearest pixel. None (default) keeps the sizes, which then must all be the same.
        ignore: the number of pixels that are not labeled, which become -1; None is none. Defaults to 255.

    Returns:
        `(images, masks, stems)`: uint8 `[N, H, W, 3]`, int32 `[N, H, W]`, and the stems in this order, sorted.

    Raises:
        ValueError: if a folder holds no images, two files have one stem, a file lacks its partner, a mask has another
            size than its image or more than one channel, sizes differ without `size`, or a file cannot be read; the
            file is named.
        ImportError: if Pillow is not installed.

    Example:

    ```python
    images, masks, stems = keras_ssl.data.load_masks("photos/images", "photos/masks", size=224)
    ```
    """
    size = None if size is None else check_integer("size", size, 1)
    ignore = None if ignore is None else check_integer("ignore", ignore, 0)
    roots = {"images": user_path(images), "masks": user_path(masks)}
    files = {name: _by_stem(name, root) for name, root in roots.items()}
    for name, other in (("images", "masks"), ("masks", "images")):
        alone = sorted(set(files[name]) - set(files[other]))
        if alone:
            raise ValueError(
                f"Every file of `{name}` must have a partner of the same stem in `{other}`. Received: "
                f"{name}={roots[name]!r} with {files[name][alone[0]]!r} ({len(alone)} such files), "
                f"{other}={roots[other]!r}"
            )
    found_images: list[np.ndarray] = []
    found_masks: list[np.ndarray] = []
    for stem in sorted(files["images"]):
        image = _opened(roots["images"], files["images"][stem]).convert("RGB")
        mask = _opened(roots["masks"], files["masks"][stem])
        if mask.mode not in ("1", "L", "P", "I") and not mask.mode.startswith("I;16"):
            raise ValueError(
                f"A mask must have one channel of whole numbers. Received: masks={roots['masks']!r} with "
                f"{files['masks'][stem]!r} of {len(mask.getbands())} channels (mode {mask.mode})"
            )
        if mask.size != image.size:
            raise ValueError(
                f"A mask must have the size of its image, {image.size[0]} x {image.size[1]} pixels. Received: "
                f"masks={roots['masks']!r} with {files['masks'][stem]!r} of {mask.size[0]} x {mask.size[1]} pixels"
            )
        if size is None and found_images and image.size != found_images[0].shape[1::-1]:
            width, height = found_images[0].shape[1::-1]
            raise ValueError(
                f"Without `size` all images must have one size, {width} x {height} pixels as the first. Received: "
                f"size=None, images={roots['images']!r} with {files['images'][stem]!r} of "
                f"{image.size[0]} x {image.size[1]} pixels"
            )
        if size is not None:
            image, mask = _squared(image, size, "BILINEAR"), _squared(mask, size, "NEAREST")
        found_images.append(np.asarray(image, np.uint8))
        found_masks.append(np.asarray(mask).astype(np.int32))
    numbers = np.stack(found_masks)
    if ignore is not None:
        numbers = np.where(numbers == ignore, np.int32(-1), numbers)
    return np.stack(found_images), numbers, tuple(sorted(files["images"]))


def _by_stem(name: str, root: str) -> dict[str, str]:
    if not os.path.isdir(root):
        raise ValueError(f"`{name}` must be a folder. Received: {name}={root!r}")
    found: dict[str, str] = {}
    for path in ImageListing(root, PHOTOS).paths():
        stem = str(PurePosixPath(path).with_suffix(""))
        if stem in found:
            raise ValueError(
                f"The files of `{name}` must differ in more than their ending. Received: {name}={root!r} with "
                f"{found[stem]!r} and {path!r}"
            )
        found[stem] = path
    if not found:
        raise ValueError(f"`{name}` must hold image files. Received: {name}={root!r}")
    return found


def _opened(root: str, path: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("load_masks needs Pillow: pip install pillow") from error
    try:
        with Image.open(os.path.join(root, path), formats=_FORMATS) as image:
            image.load()
            return image
    except Exception as error:  # each format's reader has errors of its own
        raise ValueError(f"An image file cannot be read ({error}). Received: {os.path.join(root, path)!r}") from error


_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


def _squared(image: Any, size: int, filter_name: str) -> Any:
    """The center square of a Pillow image, resized."""
    from PIL import Image

    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    if image.mode == "1":
        image = image.convert("L").point(lambda value: 1 if value else 0)
    return image.resize((size, size), getattr(Image.Resampling, filter_name), box=(left, top, left + side, top + side))

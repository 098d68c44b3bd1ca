"""Images in formats other than JPEG and PNG, decoded by Pillow to 8-bit RGB."""

import io
from typing import Any

import numpy as np

FORMATS = ("WEBP", "BMP", "GIF", "TIFF")
"""Pillow's names of what is read; its other readers are not let near a file."""
_BITS, _PLANES = 258, 284  # tags of TIFF


def check_pillow(file: Any) -> None:
    """Raises if the beginning of an opened file is not that of an image of these formats; nothing is decoded.

    Raises:
        OSError: if it is no such image.
        ImportError: if Pillow is not installed.
    """
    _opened(file)


def pillow_image(content: bytes, orientation: bool) -> Any:
    """The first image of a file, an RGB image of Pillow.

    16-bit values become 8-bit by their upper byte, as TensorFlow does with PNG. Transparency is dropped. 32-bit and
    floating values have no range that is known, and are refused.

    Args:
        content: of the file.
        orientation: whether to turn the image as its EXIF orientation says.

    Raises:
        OSError: if it cannot be decoded.
        ImportError: if Pillow is not installed.
    """
    image = _opened(io.BytesIO(content))
    try:
        if orientation:
            from PIL import ImageOps

            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            image = _upper_bytes(image)
        if image.mode in ("I", "F"):
            raise ValueError(f"its values have no known range (mode {image.mode})")
        return image.convert("RGB")
    except Exception as error:  # each format's decoder has errors of its own
        raise OSError(f"Pillow cannot decode the image: {error}") from error


def _upper_bytes(image: Any) -> Any:
    return _pillow().fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))


def _opened(file: Any) -> Any:
    Image = _pillow()
    try:
        image = Image.open(file, formats=FORMATS)
    except Exception as error:  # each format's reader has errors of its own
        raise OSError(f"Pillow cannot open the image: {error}") from error
    if image.format == "TIFF" and _has_deep_planes(image.tag_v2):
        raise OSError("Pillow takes the bytes of 16-bit planes for pixels (tifffile reads them)")
    return image


def _has_deep_planes(tags: Any) -> bool:
    """Whether a TIFF file has its colors in planes of more than 8 bits: Pillow gives other pixels, and no error."""
    return tags.get(_PLANES) == 2 and max(np.ravel(tags.get(_BITS, 1))) > 8


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("WebP, BMP, GIF and TIFF files are read by Pillow: pip install pillow") from error
    return Image

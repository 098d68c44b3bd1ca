"""Images in formats other than JPEG and PNG, decoded by Pillow to 8-bit RGB."""

import io
from typing import Any

import numpy as np

from keras_ssl.data.image_header import MAX_BYTES
from keras_ssl.regular_file import open_regular, read_regular

FORMATS = ("WEBP", "BMP", "GIF", "TIFF")
"""Pillow's names of what is read; its other readers are not let near a file."""


def check_pillow(path: str | bytes) -> None:
    """Raises if the beginning of a file is not that of an image of these formats; nothing is decoded.

    Raises:
        OSError: if the file cannot be read, or is no such image.
        ImportError: if Pillow is not installed.
    """
    with open_regular(path, MAX_BYTES) as file:  # type: ignore[arg-type]  # bytes are a path, too
        _opened(file)


def read_pillow(path: str | bytes, orientation: bool, encoding: str) -> bytes:
    """The first image of a file, as an RGB file in another format.

    16-bit gray becomes 8-bit by its upper byte, as TensorFlow does with PNG. Transparency is dropped. 32-bit and
    floating values have no range that is known, and are refused.

    Args:
        path: the file.
        orientation: whether to turn the image as its EXIF orientation says.
        encoding: Pillow's name of the format returned: "BMP" (fast) or "PNG" (small); both keep every pixel.

    Raises:
        OSError: if the file cannot be decoded.
        ImportError: if Pillow is not installed.
    """
    image = _opened(io.BytesIO(read_regular(path, MAX_BYTES)))  # type: ignore[arg-type]  # bytes are a path, too
    try:
        if orientation:
            from PIL import ImageOps

            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            image = _upper_bytes(image)
        if image.mode in ("I", "F"):
            raise ValueError(f"its values have no known range (mode {image.mode})")
        stream = io.BytesIO()
        image.convert("RGB").save(stream, format=encoding)
    except Exception as error:  # each format's decoder has errors of its own
        raise OSError(f"Pillow cannot decode the image: {error}") from error
    return stream.getvalue()


def _upper_bytes(image: Any) -> Any:
    return _pillow().fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))


def _opened(file: Any) -> Any:
    Image = _pillow()
    try:
        return Image.open(file, formats=FORMATS)
    except Exception as error:  # each format's reader has errors of its own
        raise OSError(f"Pillow cannot open the image: {error}") from error


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("WebP, BMP, GIF and TIFF files are read by Pillow: pip install pillow") from error
    return Image

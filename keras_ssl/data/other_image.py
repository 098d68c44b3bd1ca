"""Images in formats that TensorFlow does not read: by Pillow, pydicom and tifffile, to 8-bit pixels."""

import io
from typing import Any

import numpy as np

from keras_ssl.data import band_file
from keras_ssl.data.dicom_image import check_dicom, dicom_pixels, is_dicom
from keras_ssl.data.image_header import MAX_BYTES
from keras_ssl.data.pillow_image import check_pillow, pillow_image
from keras_ssl.regular_file import open_regular, read_regular

_HEAD = 132  # bytes that tell a format
_TIFF_MARKS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def check_other(path: str | bytes) -> None:
    """Raises if the beginning of a file is not that of an image in one of these formats; nothing is decoded.

    Raises:
        OSError: if the file cannot be read, or is no such image.
        ImportError: if the package that reads its format is not installed.
    """
    with open_regular(path, MAX_BYTES) as file:  # type: ignore[arg-type]  # bytes are a path, too
        head = file.read(_HEAD)
        file.seek(0)
        if is_dicom(head):
            check_dicom(file)
            return
        try:
            check_pillow(file)
            return
        except OSError:
            if not _tifffile_may(head):
                raise
    _check_photo(band_file.band_shape(path))


def read_other(path: str | bytes, orientation: bool, encoding: str) -> bytes:
    """The first image of a file, as an RGB file in another format.

    16-bit TIFF files become 8-bit by the upper byte, as TensorFlow does with PNG, and DICOM files as `dicom_pixels`
    says. Transparency, and a fourth band, are dropped. TIFF files with 32-bit and floating values have no range that is
    known, and are refused.

    Args:
        path: the file.
        orientation: whether to turn the image as its EXIF orientation says.
        encoding: Pillow's name of the format returned: "BMP" (fast) or "PNG" (small); both keep every pixel.

    Raises:
        OSError: if the file cannot be decoded.
        ImportError: if the package that reads its format is not installed.
    """
    stream = io.BytesIO()
    other_image(path, orientation).save(stream, format=encoding)
    return stream.getvalue()


def other_image(path: str | bytes, orientation: bool) -> Any:
    """The first image of a file, an RGB image of Pillow; as `read_other`."""
    content = read_regular(path, MAX_BYTES)  # type: ignore[arg-type]  # bytes are a path, too
    if is_dicom(content[:_HEAD]):
        return _rgb(dicom_pixels(content))
    try:
        return pillow_image(content, orientation)
    except OSError:
        if not _tifffile_may(content):
            raise
    _check_photo(band_file.band_shape(path))
    values = band_file.read_bands(path)[..., :3]
    upper = values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)
    return _rgb(upper[..., 0] if upper.shape[-1] == 1 else upper)


def image_sides(path: str | bytes) -> tuple[int, int]:
    """Two sides of the image in a file in pixels, by its header, in no order.

    Raises:
        OSError: if it cannot be read.
        ImportError: if the package that reads its format is not installed.
    """
    from PIL import Image

    with open_regular(path, MAX_BYTES) as file:  # type: ignore[arg-type]  # bytes are a path, too
        head = file.read(_HEAD)
        file.seek(0)
        if is_dicom(head):
            return check_dicom(file)
        try:
            with Image.open(file) as image:
                return image.size
        except Exception as error:  # each format's reader has errors of its own
            problem = OSError(f"Pillow cannot open the image: {error}")
            if not (_tifffile_may(head) or head.startswith(b"\x93NUMPY")):
                raise problem from error
    shape = band_file.band_shape(path)
    return shape.height, shape.width


def _tifffile_may(head: bytes) -> bool:
    """Whether a file is a TIFF file that tifffile may read where Pillow does not: 16-bit colors in planes."""
    return head.startswith(_TIFF_MARKS) and band_file.tifffile_is_installed()


def _check_photo(shape: band_file.BandShape) -> None:
    if shape.bands not in (1, 3, 4) or shape.dtype not in (np.uint8, np.uint16):
        raise OSError(f"A TIFF file of {shape.bands} bands of {shape.dtype} is no photograph")


def _rgb(pixels: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")

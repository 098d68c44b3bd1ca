"""Stacks of bands in files: arrays of NumPy, and TIFF files of satellites and microscopes."""

import os
from collections import Counter
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from keras_ssl.data.image_header import MAX_BYTES
from keras_ssl.layers.pixel_scale import ANY_VALUE, Range, range_of
from keras_ssl.regular_file import open_regular

TIFF = (".tif", ".tiff")
EXTENSIONS = (".npy", *TIFF)
MISSING = "TIFF files of several bands are read by tifffile: pip install 'keras_ssl[bands]'"
_TOLERANCE = 1e-3  # by which floats may leave their range, as in `pixel_scale`


class BandShape(NamedTuple):
    """What the header of a stack tells: height and width in pixels, number of bands, type of the values."""

    height: int
    width: int
    bands: int
    dtype: np.dtype[Any]


def tifffile_is_installed() -> bool:
    """Whether TIFF files of several bands can be read."""
    return find_spec("tifffile") is not None


def band_shape(path: str | bytes, bands: int | None = None) -> BandShape:
    """Shape and type of a stack, by its header.

    Args:
        path: of an .npy file, or a TIFF file.
        bands: how many there are, which tells where they lie in an .npy file. Defaults to None: bands are the smaller
            one of its first and its last axis.

    Raises:
        OSError: if it cannot be read, or holds no stack of so many bands.
        ImportError: for a TIFF file, if tifffile is not installed.
    """
    with open_regular(path, MAX_BYTES) as file:  # type: ignore[arg-type]  # bytes are a path, too
        if _is_npy(path):
            shape, dtype = _npy_header(file)
            axis = _band_axis(shape, bands)
            height, width = [size for place, size in enumerate(shape) if place != axis]
            return BandShape(height, width, 1 if axis is None else shape[axis], dtype)
        with _tiff(file) as tiff:
            return _tiff_shape(tiff.series[0], bands)


def read_bands(path: str | bytes, bands: int | None = None) -> np.ndarray:
    """The values of a stack as they are stored, `[H, W, bands]`.

    Args:
        path, bands: as for `band_shape`.

    Raises:
        OSError: as `band_shape`.
        ImportError: as `band_shape`.
    """
    with open_regular(path, MAX_BYTES) as file:  # type: ignore[arg-type]  # bytes are a path, too
        if _is_npy(path):
            try:
                values = np.load(file, allow_pickle=False)
            except (ValueError, EOFError) as error:
                raise OSError(f"NumPy cannot read the array: {error}") from error
            axis = _band_axis(values.shape, bands)
            return values[..., np.newaxis] if axis is None else np.moveaxis(values, axis, -1)
        with _tiff(file) as tiff:
            series = tiff.series[0]
            shape = _tiff_shape(series, bands)
            try:
                values = series.asarray().reshape(series.shape)
            except Exception as error:  # each compression has errors of its own
                raise OSError(f"tifffile cannot decode the image: {error}") from error
            places = [series.axes.index("Y"), series.axes.index("X")]
            return np.moveaxis(values, places, (0, 1)).reshape(shape.height, shape.width, shape.bands)


def to_unit(values: np.ndarray, value_range: Range | None = None) -> np.ndarray:
    """Values on the scale from 0 to 1, float32, by their type or a declared range.

    Args:
        values: of any shape. uint8 is divided by 255, uint16 by 65535, and floats lie in [0, 1].
        value_range: `(low, high)`, which become 0 and 1, whatever the type; values outside are clipped, and NaN (no
            data) becomes 0. `ANY_VALUE` takes values as they are. Defaults to None: the type decides.

    Raises:
        ValueError: without a range, for a type that has none, and for floats outside [0, 1].

    Example:

    >>> to_unit(np.array([0, 5000, 20000], "int16"), (0, 10000)).tolist()
    [0.0, 0.5, 1.0]
    """
    if value_range == ANY_VALUE:
        return values.astype(np.float32)
    low, high = range_of(values.dtype.name, value_range)
    unit = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    if value_range is not None:
        return np.nan_to_num(unit, nan=0.0).clip(0, 1)
    if not ((unit >= -_TOLERANCE) & (unit <= 1 + _TOLERANCE)).all():  # so for NaN, too
        raise ValueError(f"Floats must lie in [0, 1]. Received: values from {values.min()} to {values.max()}")
    return unit.clip(0, 1)


def looks_like_stacks(extensions: Counter[str], first_tiff: str | bytes | None) -> bool:
    """Whether the files of a folder are stacks of bands, and not photographs.

    So it is where most files are .npy files; or TIFF files, of which the first has other than 1, 3 or 4 bands, or
    values that are not 8- or 16-bit.

    Args:
        extensions: number of files by extension, lower case: images and .npy files.
        first_tiff: path of the first TIFF file, or None where there is none.
    """
    if not extensions or extensions[".npy"] * 2 > extensions.total():
        return bool(extensions)
    if first_tiff is None or sum(extensions[ending] for ending in TIFF) * 2 <= extensions.total():
        return False
    try:
        shape = band_shape(first_tiff)
    except (OSError, ImportError):
        return False  # the reader of photographs says what is wrong with it
    return shape.bands not in (1, 3, 4) or shape.dtype not in (np.uint8, np.uint16)


def _is_npy(path: str | bytes) -> bool:
    return os.fsdecode(path).lower().endswith(".npy")


def _npy_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except (ValueError, EOFError) as error:
        raise OSError(f"NumPy cannot read the header: {error}") from error
    return shape, dtype


def _band_axis(shape: tuple[int, ...], bands: int | None) -> int | None:
    """The axis of the bands, None for an array of rank 2."""
    if len(shape) not in (2, 3) or 0 in shape:
        raise OSError(f"A stack has the shape [H, W], [H, W, bands] or [bands, H, W], not {shape}")
    if len(shape) == 2:
        axis = None
    elif bands is None:
        axis = 2 if shape[2] <= shape[0] else 0
    else:
        axis = 2 if shape[2] == bands else 0
    found = 1 if axis is None else shape[axis]
    if bands not in (None, found):
        raise OSError(f"The stack has not {bands} bands, but the shape {shape}")
    return axis


def _tiff_shape(series: Any, bands: int | None) -> BandShape:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if "Y" not in sizes or "X" not in sizes or 0 in series.shape:
        raise OSError(f"A TIFF file must hold an image, not an array of axes {series.axes!r}")
    height, width = sizes.pop("Y"), sizes.pop("X")
    found = int(np.prod(list(sizes.values()), dtype=np.int64))
    if bands not in (None, found):
        raise OSError(f"The TIFF file has not {bands} bands, but {found}")
    return BandShape(height, width, found, np.dtype(series.dtype))


def _tiff(file: Any) -> Any:
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(MISSING) from error
    try:
        tiff = tifffile.TiffFile(file, name="image")  # an open file here has a number for a name
        if not tiff.series:
            raise ValueError("it holds no image")
    except Exception as error:  # damage shows in errors of many kinds
        raise OSError(f"tifffile cannot open the file: {error}") from error
    return tiff

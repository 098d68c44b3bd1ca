"""Stacks of bands in a folder: .npy files and TIFF files of any number of bands, as floats in [0, 1]."""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from keras_ssl.data import band_file
from keras_ssl.data.band_file import BandShape, band_shape, looks_like_stacks, read_bands, to_unit
from keras_ssl.data.image_folder import DAMAGED, UPRIGHT, ImageFolder
from keras_ssl.data.image_listing import ImageListing, image_extensions
from keras_ssl.data.image_source import MAX_DAMAGED, ImageBatch, tensorflow_as_reader
from keras_ssl.layers.pixel_scale import check_value_range, range_of
from keras_ssl.losses.numeric import check_integer
from keras_ssl.messages import warn
from keras_ssl.paths import user_path

_THREADS = 8
_AHEAD = 2  # batches that are read at a time
_LOOKED_AT = 1000  # files by which a folder's kind is told


class BandFolder(ImageFolder):
    """The stacks of bands below a folder, with a class per folder or without labels.

    Files are .npy arrays `[H, W]`, `[H, W, bands]` or `[bands, H, W]`, and TIFF files (GeoTIFF; bands as samples,
    planes or pages), which need tifffile (`pip install 'keras_ssl[bands]'`). All have one number of bands; those with
    another count as damaged. Images are float32 in [0, 1]: by `value_range`, or by the type of each file, never by its
    values. The center square is resized, bilinear and antialiased, band by band.

    Args:
        path: the folder. Hidden files and folders are left out; links are followed.
        size: height and width of the images, in pixels.
        bands: how many there are. Defaults to None: as most files have.
        value_range: `(low, high)`, which become 0 and 1, such as `(0, 10000)` for reflectance in integers; what is
            outside is clipped, and NaN (no data) becomes 0. `(-inf, inf)` takes values as they are. Defaults to None:
            uint8 is 0 to 255, uint16 is 0 to 65535, and floats must lie in [0, 1].
        labelled, max_damaged: as for `ImageFolder`.

    Attributes:
        channels: number of bands.

    Raises:
        ValueError: as `ImageFolder`; for files of a type that has no range of its own, without a `value_range`; while
            reading, for floats outside [0, 1] without one.
        ImportError: if TensorFlow is not installed; for TIFF files, if tifffile is not.
    """

    extensions = band_file.EXTENSIONS
    dtype = "float32"

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: int,
        bands: int | None = None,
        value_range: Sequence[float] | None = None,
        labelled: bool | str = "auto",
        max_damaged: float = MAX_DAMAGED,
    ) -> None:
        self.channels = 0 if bands is None else check_integer("bands", bands, 1)
        self.value_range = check_value_range(value_range, unbounded=True)
        super().__init__(path, size, labelled, max_damaged, exif_orientation=False)

    def stream(self, order: np.ndarray, batch_size: int) -> Iterator[ImageBatch]:
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="bands")
        waiting: deque[tuple[np.ndarray, list[Future[np.ndarray | None]]]] = deque()
        try:
            for start in range(0, len(order), batch_size):
                if len(waiting) == _AHEAD:
                    yield self._batch(*waiting.popleft())
                numbers = order[start : start + batch_size]
                waiting.append((numbers, [pool.submit(self._square, int(number)) for number in numbers]))
            while waiting:
                yield self._batch(*waiting.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _batch(self, numbers: np.ndarray, tasks: list[Future[np.ndarray | None]]) -> ImageBatch:
        squares = [task.result() for task in tasks]
        decoded = np.array([square is not None for square in squares])
        self.skip([self.name(number) for number in numbers[~decoded].tolist()])
        nothing = np.zeros((self.size, self.size, self.channels), np.float32)
        images = np.stack([nothing if square is None else square for square in squares])
        labels = np.zeros(len(numbers), np.int64) if self.labels is None else self.labels[numbers].astype(np.int64)
        return ImageBatch(images, numbers, labels, decoded)

    def _square(self, number: int) -> np.ndarray | None:
        """Image `number`, `[size, size, bands]`; None where it cannot be decoded."""
        try:
            return band_square(self.file_path(number), self.size, self.channels, self.value_range)
        except OSError:
            return None

    def _verify(self) -> np.ndarray:
        with ThreadPoolExecutor(_THREADS) as pool:
            shapes = list(pool.map(self._shape, range(len(self.files))))
        counts = Counter(shape.bands for shape in shapes if shape is not None)
        if not self.channels:
            self.channels = counts.most_common(1)[0][0] if counts else 1
        good = [shape is not None and shape.bands == self.channels for shape in shapes]
        for kind in {shape.dtype.name for shape, fits in zip(shapes, good, strict=True) if shape is not None and fits}:
            _check_type(kind, self.value_range, self.path)
        return np.where(good, UPRIGHT, DAMAGED).astype(np.uint8)

    def _shape(self, number: int) -> BandShape | None:
        try:
            return band_shape(self.file_path(number), self.channels or None)
        except OSError:
            return None


def band_square(path: str | bytes, size: int, bands: int, value_range: Any = None) -> np.ndarray:
    """The center square of a stack, float32 `[size, size, bands]` in [0, 1].

    Raises:
        OSError: if it cannot be read.
        ValueError: if values are outside their range; the file is named.
    """
    from PIL import Image

    values = read_bands(path, bands)
    height, width = values.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    try:
        unit = to_unit(values[top : top + side, left : left + side], value_range)
    except ValueError as error:
        raise ValueError(f"`value_range` must be declared. {error} in {os.fsdecode(path)!r}") from error
    if side == size:
        return unit
    planes = (Image.fromarray(np.ascontiguousarray(unit[..., band])) for band in range(bands))
    return np.dstack([np.asarray(plane.resize((size, size), Image.Resampling.BILINEAR)) for plane in planes])


def open_folder(
    path: str | os.PathLike[str],
    size: int,
    labelled: bool | str = "auto",
    max_damaged: float = MAX_DAMAGED,
    exif_orientation: bool = True,
    bands: int | None = None,
    value_range: Sequence[float] | None = None,
) -> ImageFolder:
    """The photographs below a folder, or the stacks of bands, whichever it holds; see `holds_stacks`.

    Raises:
        ValueError: as `ImageFolder` and `BandFolder`; for a `value_range` of photographs.
        ImportError: as `BandFolder`.
    """
    tensorflow_as_reader()  # says what is missing before a folder is looked through
    if bands is not None or holds_stacks(path):
        return BandFolder(path, size, bands, value_range, labelled, max_damaged)
    if value_range is not None:
        raise ValueError(
            "Argument `value_range` is one of .npy and TIFF stacks; photographs have the range of their type (or say "
            f"how many `bands` the files have). Received: value_range={value_range!r}"
        )
    return ImageFolder(path, size, labelled, max_damaged, exif_orientation)


def holds_stacks(path: str | os.PathLike[str]) -> bool:
    """Whether most of the first 1,000 files below a folder are .npy files; or TIFF files, of which the first has other
    than 1, 3 or 4 bands, or values that are not 8- or 16-bit.

    Raises:
        ValueError: if it cannot be listed.
    """
    root = user_path(path)
    extensions: Counter[str] = Counter()
    first = None
    for file in islice(ImageListing(root, (*image_extensions(), ".npy")).paths(), _LOOKED_AT):
        extension = os.path.splitext(file)[1].lower()
        extensions[extension] += 1
        if first is None and extension in band_file.TIFF:
            first = os.path.join(root, file)
    if first is not None and not band_file.tifffile_is_installed() and not _pillow_opens(first):
        warn(f"Pillow cannot open {first!r}. {band_file.MISSING}", stacklevel=3)
    return looks_like_stacks(extensions, first)


def _pillow_opens(path: str) -> bool:
    from PIL import Image

    try:
        with Image.open(path):
            return True
    except Exception:  # each format's reader has errors of its own
        return False


def _check_type(name: str, value_range: Any, path: str) -> None:
    try:
        range_of(name, value_range)
    except ValueError as error:
        raise ValueError(
            f"Argument `value_range` must say which values of {name} files become 0 and 1. "
            f"Received: value_range=None, path={path!r}"
        ) from error

"""The image files of a folder: listed, verified, and decoded to one size by tf.data."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_ssl.data import dicom_image
from keras_ssl.data.image_header import MAX_BYTES, read_header
from keras_ssl.data.image_listing import ImageListing
from keras_ssl.data.image_source import MAX_DAMAGED, ImageSource
from keras_ssl.data.other_image import check_other, read_other
from keras_ssl.data.path_list import PathList
from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.messages import warn
from keras_ssl.paths import user_path
from keras_ssl.regular_file import read_regular

_THREADS = 16
_VERIFIED = 1024  # files verified by a thread at a time: a task for each file would take more than the file
DAMAGED, UPRIGHT, OTHER = 0, 1, 9  # what is known of a file; 1 to 8 are EXIF orientations
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "unlabeled"}


class ImageFolder(ImageSource):
    """The images below a folder, with a class per folder or without labels.

    JPEG and PNG files are decoded by TensorFlow; WebP, BMP, GIF (its first image) and TIFF (8- and 16-bit) by Pillow,
    whatever the files are called; DICOM (.dcm, .dicom; its first image) by pydicom, on the scale that the file declares
    (see `dicom_pixels`). 16-bit values become 8-bit by their upper byte.

    Damaged files are found in two places. When the folder is opened, the first and last bytes of each file
    are read: a JPEG starts with an SOI marker and ends with EOI, a PNG starts with its signature and ends
    with IEND. Files that do not (truncated, empty, renamed, or with something appended) are decoded to
    decide. This costs two small reads per file and catches every truncated file before training. Damage
    inside a file, and that of the other formats, shows when it is decoded: see `ImageSource`. What is no regular file
    (a FIFO, a device, a link that leads nowhere) is never read, and counts as damaged.

    Files that are left out for their extension are counted in one warning.

    Args:
        path: the folder. Hidden files and folders are left out; links are followed.
        size: height and width of the images, in pixels: the center square of an image is resized, bilinear
            and antialiased. Gray and transparent images become RGB.
        labelled: `True` for a class per folder directly in `path` (its images at any depth), `False` for no
            labels, `"auto"` for classes where `path` holds at least two folders, each with images, and no images
            beside them.
        max_damaged: the largest share of damaged files, 0 to 1. Defaults to 0.01.
        exif_orientation: whether images are turned upright as their EXIF data say. Defaults to True.

    Attributes:
        files: paths relative to `path`, sorted, without the skipped ones.
        labels: int32 `[len(files)]`, or `None`.
        class_names: names of the classes in the order of their numbers, sorted; empty without labels. Bytes of a
            folder's name that are no UTF-8 are written as in `utf8_name`.
        skipped: relative paths of files that cannot be decoded.
        unused: number of files by extension that were left out for it.
        codes: uint8 `[len(files)]`: the EXIF orientation, 1 to 8, or 9 for a file that TensorFlow does not decode.

    Raises:
        ValueError: if the folder cannot be listed, holds no images, has a class without images, or more than
            `max_damaged` of its files are damaged (a `DamagedImagesError`, which names all); or an argument is out
            of range.
        ImportError: if TensorFlow is not installed.
    """

    extensions: tuple[str, ...] | None = None  # of the files that are listed; None: those of images

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: int,
        labelled: bool | str = "auto",
        max_damaged: float = MAX_DAMAGED,
        exif_orientation: bool = True,
    ) -> None:
        super().__init__(user_path(path), size, max_damaged)
        if labelled not in (True, False, "auto"):
            raise ValueError(f'Argument `labelled` must be True, False or "auto". Received: labelled={labelled!r}')
        self.exif_orientation = bool(exif_orientation)
        listing = ImageListing(self.path, self.extensions)
        self.files = PathList(listing.paths())
        self.unused = dict(listing.unused.most_common())
        if not self.files:
            found = f" with {_counts(self.unused)}" if self.unused else ""
            raise ValueError(
                f"Argument `path` must hold image files ({', '.join(listing.extensions)}). "
                f"Received: path={self.path!r}{found}"
            )
        self._warn_of_the_rest(listing)
        self._keep_readable(self._classify(labelled, listing))

    def _keep_readable(self, labels: np.ndarray | None) -> None:
        """Leaves out the files that cannot be decoded, and notes the labels of the others."""
        self.total = len(self.files)
        self.codes = self._verify()
        damaged = np.flatnonzero(self.codes == DAMAGED).tolist()
        self.skip([self.files[number] for number in damaged])
        if damaged:
            left_out = set(damaged)
            self.files = PathList(file for number, file in enumerate(self.files) if number not in left_out)
            labels = None if labels is None else np.delete(labels, damaged)
            self.codes = np.delete(self.codes, damaged)
        self._plain = bool((self.codes == UPRIGHT).all())
        self.labels = labels
        self.labelled = labels is not None

    def __len__(self) -> int:
        return len(self.files)

    def name(self, number: int) -> str:
        return self.files[number]

    def read_labels(self) -> np.ndarray:
        return np.zeros(len(self), np.int32) if self.labels is None else self.labels

    def file_path(self, number: int) -> bytes:
        """The path of file `number`, as the file system has it."""
        return os.path.join(os.fsencode(self.path), self.files.encoded(number))

    def feed(self, numbers: np.ndarray) -> tuple[list[bytes], np.ndarray]:
        labels = np.zeros(len(numbers), np.int64) if self.labels is None else self.labels[numbers].astype(np.int64)
        paths = [self.file_path(number) for number in numbers]
        if not self._plain:
            paths = [b"%d" % code + path for code, path in zip(self.codes[numbers], paths, strict=True)]
        return paths, labels

    def read(self, fed: Any, label: Any) -> tuple[Any, Any, Any]:
        tf = self._tf
        if self._plain:  # nothing but a read, so that the common case costs nothing for the others
            return tf.io.read_file(fed), label, None
        code, path = tf.strings.to_number(tf.strings.substr(fed, 0, 1), tf.int32), tf.strings.substr(fed, 1, -1)
        by_other = tf.equal(code, OTHER)
        encoded = tf.cond(
            by_other,
            lambda: tf.ensure_shape(tf.numpy_function(self._converted, [path], tf.string), ()),
            lambda: tf.io.read_file(path),
        )
        return encoded, label, tf.where(by_other, UPRIGHT, code)

    def encoded(self, fed: bytes, label: int) -> tuple[bytes, int, int]:
        code, path = (UPRIGHT, fed) if self._plain else (int(fed[:1]), fed[1:])
        if code == OTHER:
            return self._converted(path), label, UPRIGHT
        return read_regular(path, MAX_BYTES), label, code  # type: ignore[arg-type]  # bytes are a path, too

    def _converted(self, path: bytes) -> bytes:
        return read_other(path, self.exif_orientation, "BMP")

    def _warn_of_the_rest(self, listing: ImageListing) -> None:
        if self.unused:
            total = sum(self.unused.values())
            medical = any(self.unused.get(extension) for extension in dicom_image.EXTENSIONS)
            remedy = f" ({dicom_image.MISSING})" if medical and not dicom_image.pydicom_is_installed() else ""
            warn(
                f"Left out {total} file{'s' * (total > 1)} below {self.path!r} that cannot be read as images: "
                f"{_counts(self.unused)}{remedy}",
                stacklevel=4,
            )
        if listing.circles:
            warn(
                f"Left out links below {self.path!r} that lead in a circle: {', '.join(map(repr, listing.circles))}",
                stacklevel=4,
            )

    def _classify(self, labelled: bool | str, listing: ImageListing) -> np.ndarray | None:
        """Sets the names of the classes; the labels of all files, or None."""
        if labelled is False:
            return None
        found: dict[str, int] = {}  # the folders directly in the root, and "" for the root, as they come
        folders = np.fromiter((found.setdefault(_top(file), len(found)) for file in self.files), np.int32)
        names = sorted(set(found) - {""})
        if labelled == "auto" and ("" in found or len(names) < 2):
            return None
        if "" in found:
            loose = self.files[int(np.argmax(folders == found[""]))]
            raise ValueError(
                "With `labelled=True` every image must lie in a class folder. "
                f"Received: path={self.path!r} with image {loose!r}"
            )
        empty = sorted(set(listing.folders()) - set(names))
        if empty and labelled == "auto":
            warn(
                f"The folders of {self.path!r} are not taken for classes, since {empty[0]!r} holds no images: there "
                "are no labels. Remove it if the others are classes.",
                stacklevel=4,
            )
            return None
        if empty:
            raise ValueError(
                "Every class folder must hold images, or the numbers of the classes would depend on it "
                "(pass `labelled=False` for no classes). "
                f"Received: path={self.path!r} with folder {empty[0]!r}"
            )
        if {name.lower() for name in names} <= _PARTS:
            warn(
                f"The folders of {self.path!r} look like the parts of a data set and are taken for classes: "
                f"{', '.join(names)}. Give one of them as the folder, or pass `labelled=False`.",
                stacklevel=4,
            )
        self.class_names = tuple(map(utf8_name, names))
        if len(set(self.class_names)) < len(names):
            raise ValueError(
                f"The names of the classes must differ as UTF-8 text. Received: path={self.path!r} with {names}"
            )
        numbers = {name: number for number, name in enumerate(names)}
        return np.array([numbers[name] for name in found], np.int32)[folders]

    def _verify(self) -> np.ndarray:
        """What is known of each file: a code."""

        def verify(start: int) -> np.ndarray:
            numbers = range(start, min(start + _VERIFIED, len(self.files)))
            return np.array([self._code(self.file_path(number)) for number in numbers], np.uint8)

        with ThreadPoolExecutor(_THREADS) as pool:  # the reads wait for the disk, not for a core
            return np.concatenate(list(pool.map(verify, range(0, len(self.files), _VERIFIED))))

    def _code(self, path: bytes, strict: bool = False) -> int:
        """What is known of a file; with `strict`, an error tells why it cannot be decoded."""
        try:
            kind, whole, orientation = read_header(path, self.exif_orientation)
            if kind == "other":
                check_other(path)
                return OTHER
            if not whole:
                self._tf.io.decode_image(self._tf.io.read_file(path), channels=3, expand_animations=False)
        except (OSError, self._tf.errors.OpError) as error:
            if strict:
                raise OSError(getattr(error, "message", None) or error.strerror or str(error)) from error
            return DAMAGED
        return orientation


def _counts(extensions: dict[str, int]) -> str:
    """Numbers and extensions, such as "90 .tif, 2 .heic"."""
    return ", ".join(f"{count} {extension}" for extension, count in extensions.items())


def _top(file: str) -> str:
    """The first folder of a relative path, or "" for a file that lies directly in the root."""
    return file.split("/", 1)[0] if "/" in file else ""

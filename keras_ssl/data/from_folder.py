"""A folder of images as batches in an order that is a pure function of (seed, epoch)."""

import os
from collections.abc import Sequence

from keras_ssl.data.band_folder import open_folder
from keras_ssl.data.fingerprint import SIZES, file_heads, file_sizes, hash_of, spread
from keras_ssl.data.image_batches import ImageBatches
from keras_ssl.data.image_folder import ImageFolder
from keras_ssl.data.image_source import MAX_DAMAGED
from keras_ssl.data.path_list import PathList
from keras_ssl.views.view import View


def from_folder(
    path: str | os.PathLike[str],
    *,
    size: int,
    batch_size: int = 256,
    seed: int = 0,
    shuffle: bool = True,
    drop_remainder: bool = True,
    labelled: bool | str = "auto",
    epoch: int = 0,
    max_damaged: float = MAX_DAMAGED,
    exif_orientation: bool = True,
    crops: View | None = None,
    bands: int | None = None,
    value_range: Sequence[float] | None = None,
) -> "FolderBatches":
    """Makes a data set of the image files below a folder; they are read and resized in parallel.

    JPEG (.jpg, .jpeg, .jpe, .jfif) and PNG files are read fastest; WebP, BMP, GIF (its first image) and TIFF (8- and
    16-bit) are read by Pillow, or by tifffile where Pillow cannot. Files with other extensions are counted in one
    warning and in the attribute `unused` of `source`; texts and tables are left out without a word.

    DICOM files (.dcm, .dicom; the first image of each) are read where pydicom is installed (`pip install
    'keras_ssl[dicom]'`). The scale is the one that the file declares: values are rescaled by slope and intercept; the
    first window decides what is black and white; without a window, the range of the stored bits does. MONOCHROME1 is
    inverted. Compressed files may need a further package, which pydicom names.

    Stacks of bands are .npy files, `[H, W]`, `[H, W, bands]` or `[bands, H, W]`, and TIFF files of any number of bands
    (GeoTIFF; `pip install 'keras_ssl[bands]'`). A folder counts as one of stacks if `bands` is given; or where most of
    its first 1,000 files are .npy; or are TIFF, and the first of these has other than 1, 3 or 4 bands, or values that
    are not 8- or 16-bit. Other files are left out then, and counted. Their batches are float32
    `[batch_size, size, size, bands]` in [0, 1].

    The scale of pixels follows from the type of a file, or a declared range; never from its values or its neighbors.

    Each batch is a dict: `"x"`, uint8 `[batch_size, size, size, 3]`; `"index"`, the number of the file in the
    attribute `files`; and `"y"`, the number of the class in the attribute `class_names`, where there are
    classes. Epoch `e` sees the files in the order `keras_ssl.random.permutation(len(files), seed, e)`.
    `epoch` is an attribute: it grows by one at the end of each epoch, and can be set.

    Files that cannot be decoded are named in a warning, counted in the attribute `skipped`, and an error past
    `max_damaged` of all. So are FIFOs, devices and links that lead nowhere, which are never opened. Truncated files
    are found at once, by the marker that ends a JPEG or PNG, and left out. Damage inside a file shows when it is first
    decoded. The file then keeps its place in the order, so that the order stays a function of seed, epoch and folder
    alone, and the next good image of its batch stands in for it.

    With `crops`, a random crop may reach the borders of an image, and a small one has the pixels of the file. Each
    file is opened once for all its views. Boxes are the ones that the step would draw in the whole image: a pure
    function of the model's seed, the step and the place in the batch, whatever worker reads them and wherever a run
    goes on. Pixels are those of decoding, cropping and resizing in the step, but for rounding to uint8 (at most one
    level of 255 with bilinear crops; with bicubic ones more where Pillow cuts off what overshoots, as torchvision's
    does). A crop that is four or more times as high or wide as its view is first reduced by means of pixels, in a JPEG
    by the decoder, to twice that at least, which changes pixels by a level or so. Damage of a JPEG below the lowest
    crop of an epoch is not met in it. `predict`, `inputs()` and callbacks see the center squares, as ever.

    The backend may be JAX; TensorFlow then serves as the reader only.

    Args:
        path: the folder. Hidden files and folders are left out; links are followed.
        size: height and width of the images, in pixels: the center square of an image is resized, bilinear
            and antialiased. Gray and transparent images become RGB.
        batch_size: images in a batch. Defaults to 256.
        seed: integer in [0, 2**32). Defaults to 0.
        shuffle: whether the order is random. Defaults to `True`.
        drop_remainder: whether the images that do not fill a last batch are left out of the epoch. Defaults
            to `True`.
        labelled: `True` for a class per folder directly in `path` (its images at any depth), `False` for no
            labels, `"auto"` (default) for classes where `path` holds at least two folders and no images.
        epoch: number of the first epoch. Defaults to 0.
        max_damaged: the largest share of files that may be damaged, 0 to 1. Defaults to 0.01.
        exif_orientation: whether photos are turned upright as their EXIF data say. Defaults to `True`.
        crops: views whose random crops are cut from the images at their full resolution, as the papers do: those of the
            model, `crops=model.views`, of which each begins with a `RandomResizedCrop`. Then `"x"` is a tuple with the
            crops of each view, uint8 `[batch_size, height, width, 3]` (`size` pixels where the views have none), and
            `"box"` tells their places, int32 `[batch_size, views, 6]`: top, left, height and width, and the height and
            width of the image, turned upright. The step makes the rest of the views. Defaults to `None`: crops are cut
            by the step, from the center squares. Not for stacks of bands.
        bands: number of bands of .npy and TIFF stacks: of RGB and infrared in four bands, which look like a photograph
            with transparency, it must be given. Defaults to `None`: as most files have, where they are stacks.
        value_range: of stacks: `(low, high)`, which become 0 and 1, such as `(0, 10000)` for reflectance in integers.
            Values outside are clipped, and NaN (no data) becomes 0. `(-inf, inf)` takes values as they are, for an
            encoder of measurements in their own units. Defaults to `None`: uint8 is 0 to 255, uint16 is 0
            to 65535, floats must lie in [0, 1], and other types need a range.

    Returns:
        A `keras.utils.PyDataset` with the attributes `class_names`, `files`, `labels`, `skipped` and `epoch`.

    Raises:
        ValueError: if the folder cannot be listed, holds no images or less than one batch, has a class
            without images, or more than `max_damaged` of its files are damaged (a
            `keras_ssl.data.DamagedImagesError`, whose attribute `damaged` names all); or an argument is out of range.
        ImportError: if TensorFlow is not installed; for TIFF stacks, if tifffile is not.

    Example:

    ```python
    data = keras_ssl.data.from_folder("photos", size=96, batch_size=64, seed=1)
    print(len(data), data.class_names)
    model.fit(data, epochs=10)

    views = keras_ssl.views.simclr(size=224)  # crops of the photographs as they are
    model = keras_ssl.SimCLR(keras_ssl.encoders.ResNet(50), views=views)
    model.compile("adam")
    model.fit(keras_ssl.data.from_folder("photos", size=256, crops=views), epochs=10)
    ```
    """
    folder = open_folder(path, size, labelled, max_damaged, exif_orientation, bands, value_range)
    return FolderBatches(folder, batch_size, seed, shuffle, drop_remainder, epoch, crops)


class FolderBatches(ImageBatches[ImageFolder]):
    """The data set that `from_folder` makes; its arguments are described there."""

    def _content(self, fed: list[bytes]) -> dict[str, str]:
        names = (self.files.encoded(number) for number in range(len(self.files)))
        paths, _ = self.source.feed(spread(len(self.files), SIZES))
        sizes = file_sizes(paths).tobytes()
        return {"names": hash_of(names), "sizes": hash_of([sizes]), "files": hash_of(file_heads(fed))}

    @property
    def files(self) -> PathList:
        """Paths of the images, relative to the folder: the file of each `index`."""
        return self.source.files

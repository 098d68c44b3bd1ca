"""Images in TFRecord shards as batches in an order that is a pure function of (seed, epoch)."""

from keras_ssl.data.image_batches import ImageBatches
from keras_ssl.data.image_records import ImageRecords, Paths
from keras_ssl.data.image_source import MAX_DAMAGED
from keras_ssl.views.view import View


def from_tfrecords(
    path: Paths,
    *,
    size: int,
    batch_size: int = 256,
    seed: int = 0,
    shuffle: bool = True,
    drop_remainder: bool = True,
    epoch: int = 0,
    verify: bool = False,
    max_damaged: float = MAX_DAMAGED,
    crops: View | None = None,
) -> "RecordBatches":
    """Makes a data set of the images in TFRecord files, such as `write_tfrecords` and tensorflow_datasets make.

    For many small images on a disk or network where opening a file takes longer than reading it. Each batch is a
    dict: `"x"`, uint8 `[batch_size, size, size, 3]`; `"index"`, the number of the record through all shards; and `"y"`
    where the records have labels. Epoch `e` sees the records in the order
    `keras_ssl.random.permutation(count, seed, e)`: any record of any shard may be next, as with files. So shards made
    of a folder give the batches that `from_folder` gives of it, bit for bit, in any number of shards. `epoch` is an
    attribute: it grows by one at the end of each epoch, and can be set.

    When the shards are opened, the frame of each record is read: shards that are missing, truncated or damaged there
    are errors. Images that cannot be decoded are treated as `from_folder` treats them: named in a warning, counted in
    `skipped`, replaced by the next good image of their batch, and an error past `max_damaged` of all.

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
        path: a folder with *.tfrecord files; a pattern such as "shards/train*.tfrecord*"; a file; or a list of files,
            in their order. Of folders and patterns the files count in the order of their names. On a local or
            mounted disk; not compressed. The field `image` of a record (a `tf.train.Example`) is the encoded JPEG or
            PNG, `label` an integer, `index` the record's number; the last two may be absent.
        size: height and width of the images, in pixels: the center square of an image is resized, bilinear
            and antialiased. Images are turned upright where `write_tfrecords` noted their EXIF orientation. Gray and
            transparent images become RGB.
        batch_size: images in a batch. Defaults to 256.
        seed: integer in [0, 2**32). Defaults to 0.
        shuffle: whether the order is random. Defaults to `True`.
        drop_remainder: whether the images that do not fill a last batch are left out of the epoch. Defaults
            to `True`.
        epoch: number of the first epoch. Defaults to 0.
        verify: whether all bytes are read and compared with their checksums at once, before training: as long as
            copying the shards takes. Defaults to `False`.
        max_damaged: the largest share of images that may be damaged, 0 to 1. Defaults to 0.01.
        crops: views whose random crops are cut from the images at their full resolution, as the papers do: those of the
            model, `crops=model.views`, of which each begins with a `RandomResizedCrop`. Then `"x"` is a tuple with the
            crops of each view, uint8 `[batch_size, height, width, 3]` (`size` pixels where the views have none), and
            `"box"` tells their places, int32 `[batch_size, views, 6]`: top, left, height and width, and the height and
            width of the image, turned upright. The step makes the rest of the views. Defaults to `None`: crops are cut
            by the step, from the center squares.

    Returns:
        A `keras.utils.PyDataset` with the attributes `class_names` (where the JSON file beside the shards tells them),
        `skipped`, `epoch` and `source` (its `shards` and `counts`).

    Raises:
        ValueError: if there are no such files, one is missing, truncated, damaged or compressed, they are not those of
            the JSON file, records are out of order or hold no images, or there is less than one batch; or an argument
            is out of range.
        ImportError: if TensorFlow is not installed.

    Example:

    ```python
    keras_ssl.data.write_tfrecords("photos", "photo_shards", shards=16)
    data = keras_ssl.data.from_tfrecords("photo_shards", size=96, batch_size=64, seed=1)
    model.fit(data, epochs=10)
    ```

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord (the format).
    """
    return RecordBatches(
        ImageRecords(path, size, verify, max_damaged), batch_size, seed, shuffle, drop_remainder, epoch, crops
    )


class RecordBatches(ImageBatches[ImageRecords]):
    """The data set that `from_tfrecords` makes; its arguments are described there."""

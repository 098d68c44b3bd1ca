"""The random crops of views, cut from images at their full resolution."""

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from keras_ssl.data.crop_plan import CropPlan
from keras_ssl.data.image_source import ImageSource
from keras_ssl.views.crop_boxes import BoxShapes

_AHEAD = 3  # batches that are read at a time
_MARGIN = 4  # pixels beside a box whose chroma the decoder needs, to interpolate as in the whole image
_SCALES = (8, 4, 2)  # by which a JPEG decoder can reduce an image
_LEFT = 2  # how far the resizing behind it must still reduce them
_MIRRORED, _UPSIDE_DOWN, _LYING = (2, 3, 6, 7), (3, 4, 7, 8), 5  # EXIF orientations; those from the last on lie


class CropBatch(NamedTuple):
    """Crops of a batch.

    `views` has an array for each view, uint8 `[n, height, width, 3]`; `boxes` is int32 `[n, views, 6]`: top, left,
    height and width of each crop, and height and width of the image, turned upright. `numbers` and `labels` are int64
    `[n]`, and `decoded` says which images could be decoded; the crops of the others are zero.
    """

    views: tuple[np.ndarray, ...]
    boxes: np.ndarray
    numbers: np.ndarray
    labels: np.ndarray
    decoded: np.ndarray


class CropReader:
    """Opens each image once and cuts all its crops, in as many threads as there are cores, ahead of use.

    Of a JPEG only the rows and columns between the outermost borders of the crops are decoded, exactly as in the whole
    image. Crops are resized by Pillow with antialiasing, without a look at pixels outside of them. Where a crop is at
    least four times as high or wide as its view, means of so many pixels are taken first that it is still twice as high
    or wide; where all crops of a JPEG are, the decoder itself reduces it by 2, 4 or 8 before that.

    Args:
        source: the images.
        plan: the crops.

    Raises:
        ValueError: for a source of stacks of bands.
    """

    def __init__(self, source: ImageSource, plan: CropPlan) -> None:
        from PIL import Image

        if source.channels != 3:
            raise ValueError(
                "Argument `crops` is for photographs; crops of stacks of bands are cut by the step. "
                f"Received: images with {source.channels} channels"
            )
        self.source, self.plan = source, plan
        self._image = Image
        self._tf = source._tf
        filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
        self._filters = [filters[crop.interpolation] for crop in plan.crops]

    def stream(
        self, order: np.ndarray, batch_size: int, seed: int, first_step: int, worker: int = 0
    ) -> Iterator[CropBatch]:
        """Reads the crops of the images numbered `order`, in this order.

        Args:
            order: numbers of images, int64.
            batch_size: how many this worker reads of a batch.
            seed, first_step: of the views of the first batch; each batch is a step.
            worker: the place of this worker's part in every batch.
        """
        pool = ThreadPoolExecutor(_cores(), thread_name_prefix="crops")
        waiting: deque[tuple[CropBatch, list[Future[None]]]] = deque()
        try:
            for place, start in enumerate(range(0, len(order), batch_size)):
                if len(waiting) == _AHEAD:
                    yield self._finished(*waiting.popleft())
                numbers = order[start : start + batch_size]
                waiting.append(self._begun(pool, numbers, seed, first_step + place, worker))
            while waiting:
                yield self._finished(*waiting.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _begun(
        self, pool: ThreadPoolExecutor, numbers: np.ndarray, seed: int, step: int, worker: int
    ) -> tuple[CropBatch, list[Future[None]]]:
        """A batch that is being filled."""
        count = len(numbers)
        shapes = self.plan.shapes(seed, step % 2**32, worker * count + np.arange(count))
        fed, labels = self.source.feed(numbers)
        batch = CropBatch(
            tuple(np.zeros((count, *size, 3), np.uint8) for size in self.plan.sizes),
            np.zeros((count, len(self.plan.sizes), 6), np.int32),
            numbers,
            np.array(labels, np.int64),
            np.zeros(count, bool),
        )
        return batch, [pool.submit(self._fill, batch, row, fed[row], shapes) for row in range(count)]

    def _finished(self, batch: CropBatch, tasks: list[Future[None]]) -> CropBatch:
        for task in tasks:
            task.result()
        self.source.skip([self.source.name(number) for number in batch.numbers[~batch.decoded].tolist()])
        return batch

    def _fill(self, batch: CropBatch, row: int, fed: bytes, shapes: list[BoxShapes]) -> None:
        """Writes the crops of one image into its row."""
        try:
            encoded, label, orientation = self.source.encoded(fed, int(batch.labels[row]))
            jpeg = encoded.startswith(b"\xff\xd8")
            whole = None if jpeg else self._decode(encoded)
            height, width = self._jpeg_size(encoded) if whole is None else whole.shape[:2]
            upright = (width, height) if orientation >= _LYING else (height, width)
            boxes = self.plan.boxes(shapes, row, *upright)
            lying = lying_boxes(boxes, orientation, *upright)
            crops = self._jpeg_crops(encoded, lying, orientation) if whole is None else _crops(whole, lying)
            made = [self._resized(*crop, number, orientation) for number, crop in enumerate(crops)]
        except (OSError, self._tf.errors.OpError):
            return  # the batch says that it was not decoded
        for view, crop in zip(batch.views, made, strict=True):
            view[row] = crop
        batch.boxes[row] = np.concatenate([boxes, np.broadcast_to(upright, (len(boxes), 2))], axis=1)
        batch.labels[row], batch.decoded[row] = label, True

    def _jpeg_crops(self, encoded: bytes, boxes: np.ndarray, orientation: int) -> Iterator[tuple[np.ndarray, Any]]:
        """As `_crops`, of the part of a JPEG in which boxes lie."""
        sizes = np.array(self.plan.sizes)[:, :: -1 if orientation >= _LYING else 1]
        reduction = (boxes[:, 2:] / sizes).min()
        scale = next((scale for scale in _SCALES if reduction >= scale * _LEFT), 1)
        height, width = self._jpeg_size(encoded)
        top, left = (max(0, int(edge) // scale - _MARGIN) for edge in boxes[:, :2].min(axis=0))
        ends = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
        bottom, right = (
            min(-(-side // scale), -(-int(end) // scale) + _MARGIN)
            for side, end in zip((height, width), ends, strict=True)
        )
        window = [top, left, bottom - top, right - left]
        decode = self._tf.raw_ops.DecodeAndCropJpeg
        image = decode(contents=encoded, crop_window=window, channels=3, ratio=scale).numpy()
        return _crops(image, boxes / scale - [top, left, 0, 0])

    def _resized(
        self, crop: np.ndarray, inside: tuple[float, float, float, float], number: int, orientation: int
    ) -> np.ndarray:
        """What lies inside of some borders of a crop in the size of its view, upright."""
        height, width = self.plan.sizes[number]
        size = (height, width) if orientation >= _LYING else (width, height)
        image = self._image.fromarray(np.ascontiguousarray(crop))
        made = image.resize(size, self._filters[number], box=inside, reducing_gap=_LEFT)
        return upright_image(np.asarray(made), orientation)

    def _jpeg_size(self, encoded: bytes) -> tuple[int, int]:
        height, width, _ = self._tf.raw_ops.ExtractJpegShape(contents=encoded).numpy().tolist()
        return height, width

    def _decode(self, encoded: bytes) -> np.ndarray:
        return self._tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()


def _crops(image: np.ndarray, boxes: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[float, float, float, float]]]:
    """Of each box the pixels that it touches, and its left, upper, right and lower border within them."""
    for top, left, height, width in boxes.tolist():
        row, column = int(top), int(left)
        crop = image[row : math.ceil(top + height), column : math.ceil(left + width)]
        yield crop, (left - column, top - row, left - column + width, top - row + height)


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lying_boxes(boxes: np.ndarray, orientation: int, height: int, width: int) -> np.ndarray:
    """Boxes of an upright image of `height` times `width` pixels, as boxes of the image that lies in the file.

    Args:
        boxes: top, left, height and width, `[N, 4]`.
        orientation: of EXIF, 1 to 8.
        height, width: of the upright image.
    """
    top, left, rows, columns = boxes.T
    if orientation in _UPSIDE_DOWN:
        top = height - top - rows
    if orientation in _MIRRORED:
        left = width - left - columns
    if orientation >= _LYING:
        top, left, rows, columns = left, top, columns, rows
    return np.stack([top, left, rows, columns], axis=1)


def upright_image(image: np.ndarray, orientation: int) -> np.ndarray:
    """An image `[H, W, C]` turned and mirrored as its EXIF orientation says, as a view of its memory."""
    if orientation >= _LYING:
        image = image.transpose(1, 0, 2)
    return image[
        :: -1 if orientation in _UPSIDE_DOWN else 1,
        :: -1 if orientation in _MIRRORED else 1,
    ]

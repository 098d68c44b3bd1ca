"""Small pictures of images, as addresses that hold the picture itself."""

import base64
import io
from typing import Any

import numpy as np

from keras_ssl.typing import Tensor

SIDE = 48  # pixels of a thumbnail's longer side, at most


def thumbnails(images: Tensor | None, rows: np.ndarray) -> list[Any]:
    """Some images as small pictures of Pillow, or an empty list where they are no pixels.

    Pixels are `[N, H, W, C]` with 1 (gray), 3 or 4 (the last is left out) channels. Numbers from 0 to 1, or to 255,
    are taken as such; others are stretched to that range, the same for all.

    Args:
        images: `[N, ...]`, or None.
        rows: the numbers of those wanted.
    """
    if images is None or images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or images.dtype.kind not in "biuf":
        return []
    from PIL import Image

    pictures = []
    for pixels in _as_bytes(np.asarray(images[rows])[..., :3]):
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
        picture.thumbnail((SIDE, SIDE))
        pictures.append(picture)
    return pictures


def data_uri(picture: Any) -> str:
    """The address of a picture of Pillow."""
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def sprite(pictures: list[Any]) -> tuple[Any, int]:
    """Pictures of one size side by side in one, and how many stand in a line of it."""
    from PIL import Image

    columns = int(np.ceil(np.sqrt(len(pictures))))
    width, height = pictures[0].size
    sheet = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height))
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % columns * width, number // columns * height))
    return sheet, columns


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8 or pixels.size == 0:
        return pixels
    pixels = np.nan_to_num(pixels.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(pixels.min()), float(pixels.max())
    if low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    return np.round((pixels - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)

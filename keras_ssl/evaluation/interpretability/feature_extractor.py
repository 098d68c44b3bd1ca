"""Features of an encoder by the size and the normalization that it was trained with."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.interpretability.checks import check_option
from keras_ssl.evaluation.validation import as_images
from keras_ssl.hub.catalogue import find
from keras_ssl.hub.load import load
from keras_ssl.layers.image_preprocessing import IMAGENET_MEAN, IMAGENET_STD, ImagePreprocessing
from keras_ssl.layers.pixel_scale import check_pixels, check_value_range
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor
from keras_ssl.views import CenterCrop
from keras_ssl.views.functional.crop_and_resize import KERNELS, crop_and_resize

__all__ = ["EncoderSpec", "FeatureExtractor", "PreparedImages"]


class PreparedImages(np.ndarray):
    """Images that are resized and normalized already, float32 `[N, H, W, C]`; they are not prepared again.

    Example:

    >>> prepared = EncoderSpec(size=8).preprocess(np.zeros((2, 4, 4, 3), "uint8"))
    >>> type(prepared).__name__, prepared.shape
    ('PreparedImages', (2, 8, 8, 3))
    """


@dataclass(frozen=True)
class EncoderSpec:
    """What an encoder takes: the size of its images, how they come to it, normalization, order of bands.

    Args:
        size: side in pixels to which images are resized; None (default) leaves them as they are.
        mean: for each band, on the scale [0, 1], or one number. Defaults to ImageNet's.
        std: for each band, or one number, positive. Defaults to ImageNet's.
        value_range: `(low, high)`, the values that stand for 0 and 1. Defaults to None: the images' type decides, as in
            `keras_ssl.layers.ImagePreprocessing`.
        shorter_side: the shorter side in pixels before the middle square of `size` is cut out (see
            `keras_ssl.views.CenterCrop`). Defaults to None.
        crop_proportion: of the shorter side, the square that is cut out and resized. Defaults to None. With neither,
            the whole image is resized to the square, its proportions not kept.
        interpolation: "bilinear" (default) or "bicubic", with antialiasing where images shrink.
        bands: names of the bands in the encoder's order, to put those of the images in this order. Defaults to None.

    Raises:
        ValueError: if an argument is out of range, or both `shorter_side` and `crop_proportion` are given.

    Example:

    >>> spec = EncoderSpec(size=32, mean=0.5, std=0.25, bands=("red", "green", "blue"))
    >>> EncoderSpec(**spec.to_dict()) == spec
    True
    """

    size: int | None = None
    mean: Any = IMAGENET_MEAN
    std: Any = IMAGENET_STD
    value_range: Any = None
    shorter_side: int | None = None
    crop_proportion: float | None = None
    interpolation: str = "bilinear"
    bands: Any = None

    def __post_init__(self) -> None:
        def keep(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        if self.size is not None:
            keep("size", check_integer("size", self.size, 1))
        for name in ("mean", "std"):
            value = np.asarray(getattr(self, name), np.float64)
            if value.ndim > 1 or not np.isfinite(value).all() or (name == "std" and not (value > 0).all()):
                wanted = "finite" if name == "mean" else "positive and finite"
                raise ValueError(f"`{name}` must be {wanted}. Received: {name}={getattr(self, name)!r}")
            keep(name, value.tolist() if value.ndim == 0 else tuple(value.tolist()))
        keep("value_range", check_value_range(self.value_range))
        check_option("interpolation", self.interpolation, sorted(KERNELS))
        if self.crop_proportion is not None:
            check_number("crop_proportion", self.crop_proportion, 0.0, 1.0, above=True)
        cut = self.shorter_side is not None or self.crop_proportion is not None
        if cut and (self.size is None or None not in (self.shorter_side, self.crop_proportion)):
            raise ValueError(
                "`size` goes with at most one of `shorter_side` and `crop_proportion`. Received: "
                f"size={self.size}, shorter_side={self.shorter_side}, crop_proportion={self.crop_proportion}"
            )
        if self.shorter_side is not None:
            check_integer("shorter_side", self.shorter_side, self.size or 1)
        if self.bands is not None:
            if isinstance(self.bands, str) or len(set(self.bands)) != len(self.bands) or not len(self.bands):
                raise ValueError(f"`bands` must be different names. Received: bands={self.bands!r}")
            keep("bands", tuple(str(band) for band in self.bands))

    @classmethod
    def of_entry(cls, name_or_path: str | os.PathLike[str], **changes: Any) -> "EncoderSpec":
        """What the card of a zoo entry records; `changes` are arguments in its place.

        Raises:
            ValueError: if there is no such entry, or its encoder takes no images.
        """
        table = find(name_or_path).read_card().preprocessing
        if not table:
            raise ValueError(f"The entry has no preprocessing. Received: name_or_path={os.fspath(name_or_path)!r}")
        known = {"mean": table["mean"], "std": table["std"], "size": table.get("size")}
        scale = table.get("scale", 255)
        if isinstance(scale, list | tuple):
            known["value_range"] = tuple(scale)
        # The cut belongs to the recorded size: with another one, the whole image is resized.
        if known["size"] is not None and changes.get("size", known["size"]) == known["size"]:
            known |= {"shorter_side": table.get("resize"), "crop_proportion": table.get("crop_proportion")}
        if "interpolation" in table:
            known["interpolation"] = table["interpolation"]
        return cls(**{**known, **changes})

    def preprocess(self, images: Tensor, bands: Any = None) -> PreparedImages:
        """Raw images in the encoder's size and normalization.

        Args:
            images: raw pixels `[N, H, W, C]`.
            bands: names of the images' bands, of which those of the encoder are taken, in its order. Defaults to None:
                the images have the encoder's bands.

        Raises:
            ValueError: if images are prepared already, have values outside their range, or lack a band.
        """
        if isinstance(images, PreparedImages):
            raise ValueError("`images` must be raw pixels: these are prepared already. Received: images=PreparedImages")
        array = as_images("images", images)
        if array.ndim != 4:
            raise ValueError(f"`images` must be [N, H, W, C]. Received: images.shape={array.shape}")
        check_pixels("images", array, self.value_range)
        if bands is not None:
            array = array[..., self._order(bands, array.shape[-1])]
        elif self.bands is not None and array.shape[-1] != len(self.bands):
            raise ValueError(
                f"`images` must have the bands {self.bands}. Received: images.shape={array.shape}, bands=None"
            )
        unit = ImagePreprocessing(0.0, 1.0, self.value_range, dtype="float32")(array)
        if self.size is not None:
            unit = self._resize(unit)
        normalized = ImagePreprocessing(self.mean, self.std, dtype="float32").normalize(unit)
        return np.asarray(keras.ops.convert_to_numpy(normalized), "float32").view(PreparedImages)

    def _resize(self, images: Tensor) -> Tensor:
        size = int(self.size or 0)
        if self.shorter_side is not None or self.crop_proportion is not None:
            return CenterCrop(size, self.shorter_side, self.crop_proportion, self.interpolation)(images)
        count, height, width = images.shape[:3]
        top, left, rows, columns = (keras.ops.full((count,), n, dtype="int32") for n in (0, 0, height, width))
        resized = crop_and_resize(images, top, left, rows, columns, (size, size), self.interpolation)
        return keras.ops.clip(resized, 0.0, 1.0)  # bicubic interpolation overshoots

    def _order(self, bands: Any, channels: int) -> list[int]:
        names = [str(band) for band in bands]
        missing = [band for band in self.bands or () if band not in names]
        if self.bands is None or missing or len(names) != channels:
            raise ValueError(
                f"`bands` must name the {channels} bands of the images, and all of the encoder's, {self.bands}. "
                f"Received: bands={names}"
            )
        return [names.index(band) for band in self.bands]

    def to_dict(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return asdict(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a JSON file."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "EncoderSpec":
        """What `save` wrote."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))


class FeatureExtractor:
    """Raw images to features, by the recorded size and normalization, whatever the images' own size is.

    Encoders that were trained on larger images, and with another normalization than that of the data set at hand, lose
    much of their worth where small images are put in as they are: resizing and normalizing as in pretraining is part of
    the encoder.

    Args:
        encoder: a Keras model, prepared images `[N, H, W, C] -> features [N, D]`, without preprocessing of its own.
        spec: an `EncoderSpec`.

    Raises:
        ValueError: if `encoder` is no Keras model, or `spec` no `EncoderSpec`.

    Example:

    >>> encoder = keras.Sequential([keras.layers.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> extractor = FeatureExtractor(encoder, EncoderSpec(size=16, mean=0.5, std=0.5))
    >>> extractor(np.full((2, 4, 4, 3), 255, "uint8")).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]

    Reference:
        Corley et al., "Revisiting pre-trained remote sensing model benchmarks: resizing and normalization matters",
        CVPR Workshops 2024.
    """

    def __init__(self, encoder: keras.Model, spec: EncoderSpec) -> None:
        if not isinstance(encoder, keras.Model):
            raise ValueError(f"`encoder` must be a Keras model. Received: encoder={encoder!r}")
        if not isinstance(spec, EncoderSpec):
            raise ValueError(f"`spec` must be an EncoderSpec. Received: spec={spec!r}")
        self.encoder, self.spec = encoder, spec

    @classmethod
    def load(
        cls, name_or_path: str | os.PathLike[str], *, size: int | None = None, **options: Any
    ) -> "FeatureExtractor":
        """The encoder of a zoo entry, with what its card records.

        Args:
            name_or_path: as for `keras_ssl.load`.
            size: side of the resized images, in place of the card's. Defaults to None: the card's; where it has none,
                images keep their size.
            **options: of `keras_ssl.load`, such as `accept_license`.
        """
        spec = EncoderSpec.of_entry(name_or_path, **({} if size is None else {"size": size}))
        return cls(load(name_or_path, include_preprocessing=False, **options), spec)

    def __call__(self, images: Tensor, batch_size: int = 256, bands: Any = None) -> np.ndarray:
        """The features of raw images `[N, H, W, C]`, or of `PreparedImages`, float32 `[N, D]`."""
        batch_size = check_integer("batch_size", batch_size, 1)
        if isinstance(images, PreparedImages):
            return extract_features(self.encoder, np.asarray(images), batch_size)
        array = as_images("images", images)
        parts = [array[start : start + batch_size] for start in range(0, len(array), batch_size)]
        return np.concatenate(
            [
                extract_features(self.encoder, np.asarray(self.spec.preprocess(part, bands)), batch_size)
                for part in parts
            ]
        )

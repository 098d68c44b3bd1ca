"""The card of a zoo entry: what it is, how it was made, and which files it has."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import keras

from keras_ssl import encoders
from keras_ssl.hub.card_file import CardFile
from keras_ssl.hub.card_size import check_encoder_size
from keras_ssl.hub.golden import GOLDEN_NAME
from keras_ssl.hub.parse_text import ODD_VALUES, read_toml, reason, shown_path
from keras_ssl.hub.signatures import default_arguments, known_arguments
from keras_ssl.hub.toml_files import from_toml, toml_text
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.layers.pixel_scale import check_value_range
from keras_ssl.paths import user_path
from keras_ssl.views import CenterCrop

CARD_NAME = "card.toml"
WEIGHTS_NAME = "encoder.safetensors"
HEADS_NAME = "heads.safetensors"
FORMAT = 1
_NOT_ENCODERS = (HEADS_NAME, GOLDEN_NAME)

_TABLES = (
    "architecture",
    "preprocessing",
    "objective",
    "recipe",
    "results",
    "claims",
    "paper",
    "origin",
    "checkpoint",
    "versions",
)
_HEADER = """\
# Written by keras_ssl.export. The word "none" stands for None.
"""


@dataclass(frozen=True)
class Card:
    """What an entry of the zoo says about itself; `card.toml` is its form on disk.

    A card is data, never code: the architecture is the name of a class of `keras_ssl.encoders` and plain
    values for its arguments, so nothing is deserialized when such an entry is loaded. Of another model it names a file
    with Keras' own configuration, which `load` reads in Keras' safe mode.

    Args:
        name: of the entry.
        architecture: `{"name": "ResNet", "arguments": {...}, "library": True}`; `library` says whether the
            class is one of `keras_ssl.encoders`. Where it is not, `file` names the one of `files` that holds the
            model's configuration (see `keras_ssl.hub.architecture_file`), and `code` the modules outside of Keras that
            must be imported before; without `file`, `load` cannot rebuild the model.
        files: the files of the entry.
        description: a sentence or two.
        license: of the weights, an SPDX name.
        data: what the encoder was trained on.
        seed: of the run, or None.
        saved_model: whether the entry's folder is a SavedModel too.
        preprocessing: `{"mean", "std", "scale", "size"}`: pixels are brought to [0, 1] and normalized. `scale` says
            how: 255 by their type (uint8 is divided by 255, uint16 by 65535, floats are taken as they are),
            `[low, high]` from that range, of any type, and `[-inf, inf]` not at all: values are taken as they are, mean
            and std are in their units. `clip`, `[low, high]`, is what the normalized values are clipped to; `bands` are
            the names of the channels, in order. `size` is the image size of training, or for published weights of their
            evaluation, where it is known. How images come to that size there: `resize` (pixels of the shorter side) or
            `crop_proportion` (of the shorter side), `crop` ("center"), `interpolation`; what is not known is left out.
            Empty for encoders that take something else than pixels.
        objective: the objective's name and arguments.
        recipe: the recipe, as `keras_ssl.hub.Recipe` holds it; empty if there was none.
        results: what was measured, by this library.
        claims: what the publisher of the weights says to have measured: `{"url": where, ...}`.
        paper: `{"title", "url"}`.
        origin: of weights that another project trained: `{"url", "file", "size", "sha256"}`, the project's page or
            file and what its file was. Empty for those that this library trained.
        checkpoint: of weights in another project's file and under its names: `{"path"}`, the name of one of `files`
            that `keras_ssl.hub.load_checkpoint` reads, and where the defaults will not do, its `keys` and `prefixes`;
            `heads`, the name of the file with encoder and projector, which is fetched only to go on pretraining.
            Empty where the weights are in a safetensors file of this library.
        versions: of the library, of Keras and of the backend.

    Raises:
        ValueError: if a field has not the type it must have, or there is no weight file.
    """

    name: str
    architecture: dict[str, Any]
    files: tuple[CardFile, ...]
    description: str = ""
    license: str = ""
    data: str = ""
    seed: int | None = None
    saved_model: bool = False
    preprocessing: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    paper: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    checkpoint: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in (
            ("name", str),
            ("description", str),
            ("license", str),
            ("data", str),
            ("saved_model", bool),
        ):
            _check_type(name, getattr(self, name), kind)
        if self.seed is not None:
            _check_type("seed", self.seed, int)
        for name in _TABLES:
            _check_type(name, getattr(self, name), dict)
        _check_type("architecture.name", self.architecture.get("name"), str)
        _check_type("architecture.arguments", self.architecture.get("arguments", {}), dict)
        if "file" in self.architecture and self.architecture["file"] not in [file.name for file in self.files]:
            raise ValueError(
                "A card's `architecture.file` must name one of its files. "
                f"Received: architecture.file={self.architecture['file']!r}"
            )
        if self.preprocessing and not {"mean", "std"} <= set(self.preprocessing):
            raise ValueError(
                f"A card's `preprocessing` must say mean and std. Received: preprocessing={self.preprocessing!r}"
            )
        self._value_range()
        if self.checkpoint:
            self._check_checkpoint()
        elif len(self.weight_files) != 1:
            names = [file.name for file in self.files]
            raise ValueError(
                f"A card must list one .safetensors file, besides heads and golden features. Received: files={names}"
            )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Card":
        """The card in a TOML file.

        Raises:
            ValueError: if the file is not a card; the message names the file and what is wrong.
        """
        tables = read_toml(Path(user_path(path)))
        try:
            return cls._from_tables(tables)
        except ODD_VALUES as error:
            raise ValueError(f"{reason(error)} (in the card) Received: path={shown_path(os.fspath(path))}") from error

    @classmethod
    def _from_tables(cls, tables: dict[str, Any]) -> "Card":
        version = tables.pop("format", None)
        if version != FORMAT:
            raise ValueError(f"This version of keras_ssl reads cards of format {FORMAT}. Received: format={version!r}")
        known = [item.name for item in fields(cls)]
        unknown = sorted(set(tables) - set(known))
        if unknown:
            raise ValueError(f"A card has the keys {', '.join(known)}. Received: {', '.join(unknown)}")
        missing = [name for name in ("name", "architecture", "files") if name not in tables]
        if missing:
            raise ValueError(f"A card must say {', '.join(missing)}. Received: keys={sorted(tables)}")
        files = tables.pop("files")
        if not isinstance(files, list) or not all(isinstance(item, dict) for item in files):
            raise ValueError(f"A card's `files` must be tables. Received: files={files!r}")
        for item in files:
            needed = {"name", "sha256"} | ({"size"} if "url" not in item else set())
            if not needed <= set(item) <= {"name", "size", "sha256", "url", "sha256_prefix", "md5"}:
                raise ValueError(
                    "A file has the keys name, size, sha256, url, and where they are known sha256_prefix and md5. "
                    f"Received: keys={sorted(item)}"
                )
        for name in ("architecture", "objective", "recipe"):  # where arguments stand, which may be None
            tables[name] = from_toml(tables.get(name, {}))
        return cls(**tables, files=tuple(CardFile(**{"size": None, **item}) for item in files))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the card as TOML; empty tables and an unknown seed are left out."""
        tables = {name: value for name, value in asdict(self).items() if value not in ({}, None)}
        # Plain values come before tables in TOML, and the files' tables last.
        tables = {"format": FORMAT, **tables}
        files = [{key: value for key, value in item.items() if value is not None} for item in tables.pop("files")]
        Path(user_path(path)).write_text(_HEADER + toml_text({**tables, "files": files}), encoding="utf-8")

    def _check_checkpoint(self) -> None:
        unknown = sorted(set(self.checkpoint) - {"path", "keys", "prefixes", "heads"})
        names = [file.name for file in self.files]
        if unknown or self.checkpoint.get("path") not in names or self.checkpoint.get("heads", names[0]) not in names:
            raise ValueError(
                "A card's `checkpoint` has the keys path and heads, which name files of the card, keys and prefixes. "
                f"Received: checkpoint={self.checkpoint!r}, files={names}"
            )

    @property
    def weight_files(self) -> list[CardFile]:
        """The files that `load` reads: one of this library, or those of another project's checkpoint."""
        if self.checkpoint:
            alone = {self.checkpoint.get("heads")} - {self.checkpoint["path"]}  # one file may hold both
            return [file for file in self.files if file.name not in alone]
        return [file for file in self.files if file.name.endswith(".safetensors") and file.name not in _NOT_ENCODERS]

    @property
    def architecture_file(self) -> CardFile | None:
        """The file with the configuration of an encoder that is not one of this library's, or None."""
        name = None if self.architecture.get("library", True) else self.architecture.get("file")
        return next((file for file in self.files if file.name == name), None)

    @property
    def heads_file(self) -> CardFile | None:
        """The file that gives an objective its heads, or None where the entry has none."""
        name = self.checkpoint.get("heads") if self.checkpoint else HEADS_NAME
        return next((file for file in self.files if file.name == name), None)

    def build_encoder(self, **changes: Any) -> keras.Model:
        """The encoder without its trained weights: a class of this library called with the card's arguments.

        Args:
            **changes: arguments in place of the card's.

        Raises:
            ValueError: if the class is not one of `keras_ssl.encoders`, or does not take the arguments.
        """
        name, arguments = self.architecture["name"], {**self.architecture.get("arguments", {}), **changes}
        kinds = library_encoders()
        if not self.architecture.get("library", True) or name not in kinds:
            raise ValueError(
                f"The architecture is not one of keras_ssl.encoders ({', '.join(sorted(kinds))}), and a card "
                "holds no code to rebuild it from. Build the model yourself and read its weights with "
                f"keras_ssl.hub.load_weights(model, '{self.weight_files[0].name}'), or use the SavedModel, "
                "where the entry has one: keras.layers.TFSMLayer(path, call_endpoint='serve', "
                f"call_training_endpoint='train'). Received: architecture={name!r}"
            )
        kind = kinds[name]
        unknown = sorted(set(arguments) - set(known_arguments(kind)) - {"name"})
        if unknown:
            raise ValueError(
                f"The architecture {name} has no argument {unknown[0]!r}. Received: arguments={sorted(arguments)}"
            )
        with self.naming(f"encoder {name}"):
            check_encoder_size(name, {**default_arguments(kind), **arguments}, self.listed_bytes(self.weight_files))
            return kind(**arguments)

    def build_preprocessing(self) -> ImagePreprocessing | None:
        """The layer that turns pixels into the encoder's input, or None where the card has none."""
        if not self.preprocessing:
            return None
        with self.naming("preprocessing"):
            mean, std = self.preprocessing["mean"], self.preprocessing["std"]
            clip = self.preprocessing.get("clip")
            return ImagePreprocessing(mean, std, self._value_range(), clip, name="preprocessing")

    def listed_bytes(self, files: Iterable[CardFile]) -> int | None:
        """Bytes of some of the card's files; None where the size of one is not known before its first download."""
        sizes = [file.size for file in files]
        known = [size for size in sizes if size is not None]
        return sum(known) if sizes and len(known) == len(sizes) else None

    @contextmanager
    def naming(self, part: str) -> Iterator[None]:
        """Whatever a card's values make a class raise becomes a `ValueError` that names the card."""
        try:
            yield
        except Exception as error:  # values of any type and size can come to any line of the class
            raise ValueError(
                f"The {part} cannot be built as the card says: {reason(error)[:1000]} "
                f"Received: card={self.name[:100]!r}"
            ) from error

    def _value_range(self) -> tuple[float, float] | None:
        """The declared range of pixels, or None: their type decides."""
        scale = self.preprocessing.get("scale", 255)
        if scale == 255:
            return None
        try:
            return check_value_range(scale, unbounded=True)
        except ValueError:
            raise ValueError(
                "A card's `preprocessing.scale` must be 255, or the lowest and the highest value of pixels, "
                f"[low, high]. Received: scale={scale!r}"
            ) from None

    def build_crop(self, interpolation: str | None = None) -> CenterCrop:
        """The layer that makes images of any size those of the publisher's evaluation.

        Args:
            interpolation: in place of the card's; needed where the card does not say it. Defaults to None.

        Raises:
            ValueError: if the card does not say how images come to their size.
        """
        known = {"interpolation": interpolation} if interpolation else {}
        table = {**self.preprocessing, **known}
        if "size" not in table or not {"resize", "crop_proportion"} & set(table):
            raise ValueError(
                f"The card does not say how images come to their size. Received: preprocessing={self.preprocessing!r}"
            )
        if "interpolation" not in table:
            raise ValueError(
                'The card does not say how its publisher interpolates: choose, mostly "bilinear" or "bicubic". '
                "Received: interpolation=None"
            )
        with self.naming("cropping"):
            return CenterCrop(
                table["size"],
                table.get("resize"),
                table.get("crop_proportion"),
                table["interpolation"],
                self._value_range(),
                name="crop",
            )


def library_encoders() -> dict[str, type[keras.Model]]:
    """The classes that a card's architecture can name: the public encoders of the library."""
    named = {name: getattr(encoders, name) for name in encoders.__all__}
    return {name: kind for name, kind in named.items() if isinstance(kind, type) and issubclass(kind, keras.Model)}


def _check_type(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"A card's `{name}` must be of type {kind.__name__}. Received: {name}={value!r}")

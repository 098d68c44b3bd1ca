"""What `pretrain` chooses where it is not told: each choice with its reason, from the number and size of the images."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.data.band_folder import BandFolder, holds_stacks
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.image_listing import ImageListing
from keras_ssl.data.image_table import read_table
from keras_ssl.data.other_image import image_sides
from keras_ssl.data.path_list import PathList
from keras_ssl.data.record_format import SUFFIX
from keras_ssl.hub import catalogue
from keras_ssl.hub.components import component
from keras_ssl.hub.recipe import Recipe, list_recipes
from keras_ssl.hub.recipe_data import data_source
from keras_ssl.losses.numeric import check_integer
from keras_ssl.paths import user_path
from keras_ssl.random import permutation
from keras_ssl.registry import Entry, find, names
from keras_ssl.training import DataScale, SSLModel
from keras_ssl.training.advice import on_cpu
from keras_ssl.training.encoder_front import encoder_shapes
from keras_ssl.workflows.best_method import best_method
from keras_ssl.workflows.scaled_settings import needs_more, own_views, scaled_settings
from keras_ssl.workflows.training_length import (
    RATES,
    WEIGHT_DECAY,
    batches_of,
    chosen_batch_size,
    chosen_epochs,
    chosen_warmup,
    largest_batch,
    scaled_rate,
)

LEAST = 16
"""Fewer images teach an encoder nothing."""
_SIZES = (16, 32, 48, 64, 96, 128, 160, 224)
_LEAST_FULL = 96  # pixels from which on crops are cut from the files as they are
_WHAT = {
    "bands": "folders of stacks of bands",
    "value_range": "folders of stacks of bands",
    "max_damaged": "images in files",
}
_LOOKED_AT = 64  # files whose sizes are read


@dataclass(frozen=True)
class DataFacts:
    """What is known of the training images before they are read.

    Args:
        name: as a recipe names them; None for data in memory.
        count: number of images; None where only reading all would tell.
        side: the median of their shorter sides in pixels; None where that is not known.
        streamed: whether they are read from files, resized to a `size`.
        channels: of an image. Defaults to 3.
        settings: what a recipe says of the data besides name and size: `bands` and `value_range` of stacks of bands,
            `max_damaged` of files.
    """

    name: str | None
    count: int | None
    side: int | None
    streamed: bool
    channels: int = 3
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """A setting of a recipe, and why it has its value."""

    setting: str
    value: Any
    reason: str


def facts_of(
    data: Any,
    bands: int | None = None,
    value_range: Sequence[float] | None = None,
    max_damaged: float | None = None,
) -> DataFacts:
    """Looks at the data of `pretrain`: a name or path as in a recipe, an array of images, or a data set.

    Args:
        data: as for `pretrain`.
        bands, value_range: of a folder of stacks of bands, as for `keras_ssl.data.from_folder`. Default to None.
        max_damaged: of images in files, the share of them that may be damaged. Defaults to None: one in a hundred.

    Raises:
        ValueError: if `data` is none of these, or its images cannot be told apart from other things; for `bands` or
            `value_range` of other data than a folder, and `max_damaged` of others than files.
    """
    given = {
        "bands": bands,
        "value_range": None if value_range is None else list(value_range),
        "max_damaged": max_damaged,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    if isinstance(data, str | os.PathLike):
        return _facts_of_name(os.fspath(data), settings)
    if settings:
        name, value = next(iter(settings.items()))
        raise ValueError(f"`{name}` is for {_WHAT[name]}. Received: {name}={value!r}, data in memory")
    first = data.whole(0)["x"] if isinstance(data, EpochBatches) else data
    if not hasattr(first, "shape") or len(first.shape) != 4:
        raise ValueError(
            "`data` must be a folder or a name as in recipes, an array of images [N, H, W, C], or a data set of "
            f"keras_ssl.data. Received: data of type {type(data).__name__}"
            + (f" and shape {tuple(first.shape)}" if hasattr(first, "shape") else "")
        )
    count = data.count if isinstance(data, EpochBatches) else len(data)
    return DataFacts(None, count, min(first.shape[1:3]), False, int(first.shape[3]))


def _facts_of_name(name: str, settings: dict[str, Any]) -> DataFacts:
    source = data_source(name)
    for key, value in settings.items():
        if key not in source.known:
            raise ValueError(f"`{key}` is for {_WHAT[key]}. Received: {key}={value!r}, data={name!r}")
    if source.train is None:
        images = source.read().x
        if isinstance(images, dict):
            raise ValueError(f"`data` must be images; for tables see TabularJEPA. Received: data={name!r}")
        return DataFacts(name, len(images), min(images.shape[1:3]), False, images.shape[3])
    folder = Path(user_path(name))
    if folder.suffix == ".parquet":
        paths, _ = read_table(folder, labels=False)
        return DataFacts(name, len(paths), _median_side(folder.parent, paths), True, settings=settings)
    train = folder / "train" if (folder / "train").is_dir() else folder
    if not train.is_dir() or any(train.glob(f"*{SUFFIX}*")):
        return DataFacts(name, None, None, True, settings=settings)
    if "bands" in settings or holds_stacks(train):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reader of the data says what is left out
            stacks = BandFolder(train, 1, **settings)
        sides = _median_side(train, stacks.files)
        return DataFacts(name, len(stacks), sides, True, stacks.channels, {"bands": stacks.channels} | settings)
    files = PathList(ImageListing(str(train)).paths())
    if not len(files):
        raise ValueError(f"`data` must hold images. Received: data={name!r}, a folder without any")
    return DataFacts(name, len(files), _median_side(train, files), True, settings=settings)


def _median_side(folder: Path, files: Sequence[str]) -> int | None:
    """The median of the shorter sides of some of the images; None where none can be read."""
    sides = []
    for number in permutation(len(files), seed=0, epoch=0)[:_LOOKED_AT]:
        try:
            sides.append(min(image_sides(str(folder / files[number]))))
        except (OSError, ValueError, ImportError):
            continue  # the reader of the data names damaged files
    return int(np.median(sides)) if sides else None


def choose(
    facts: DataFacts,
    *,
    method: str | dict[str, Any] = "auto",
    encoder: str = "auto",
    feature_dim: int | None = None,
    start: str | None = None,
    image_size: int | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
) -> tuple[Recipe, list[Choice]]:
    """The recipe for some images, and its choices in the order in which they were made.

    The rules: images keep their size, up to 64 pixels on a CPU and 224 on an accelerator. A small convolutional network
    suits a CPU, a ResNet an accelerator; methods of tokens get a vision transformer. The method is the best of a
    measured table for the number of images (`best_method`), its arguments are those of `scaled_settings`, and its views
    its own. A batch holds at most 128 images on a CPU, 256 else, and an epoch at least four batches where there are
    images enough. Adam's rate is 2e-3 for 128 images (AdamW's 1e-3 for a transformer), and follows the square root of
    the batch. Epochs make about 3,000 updates on a CPU, 20,000 on an accelerator, and are at most 200.

    Where training goes on from a trained encoder, Adam's rate is 5e-4 for 128 images (1e-4 for a transformer), and 0.75
    times as much with each block towards the input. The side of the views is a multiple of its patches.

    Args:
        facts: what is known of the images.
        method: name of an objective; or its section of a recipe, whose arguments come before what is chosen. Defaults
            to "auto".
        encoder: name of an encoder of the library. Defaults to "auto".
        feature_dim: width of the features of an encoder of one's own. Defaults to None: that of `encoder`.
        start: entry of the zoo, or its folder, from whose encoder training goes on. Defaults to None: it begins anew.
        image_size: side of the views in pixels. Defaults to None: chosen.
        batch_size: Defaults to None: chosen.
        epochs: Defaults to None: chosen.
        seed: of the run. Defaults to 0.

    Raises:
        ValueError: if an argument is out of range, a name is unknown, the method needs what the data have not, or there
            are too few images.

    Example:

    >>> facts = DataFacts("photos", count=2000, side=300, streamed=True)
    >>> recipe, choices = choose(facts, method="SimCLR", batch_size=128)
    >>> recipe.sections["objective"]["temperature"], recipe.sections["optimizer"]["learning_rate"]
    (0.2, 0.002)
    """
    cpu = on_cpu()
    place = "a CPU" if cpu else "an accelerator"
    if facts.count is not None and facts.count < LEAST:
        raise ValueError(f"`data` must hold at least {LEAST} images. Received: data with {facts.count} images")
    chosen: list[Choice] = []
    if start is not None and encoder != "auto":
        raise ValueError(f"`encoder` is that of `start`. Received: encoder={encoder!r}, start={start!r}")
    trained = None if start is None else catalogue.find(start).read_card().architecture
    patch = 1 if trained is None else trained.get("arguments", {}).get("patch_size", 1)

    if image_size is None:
        most = 64 if cpu else 224
        side = facts.side or most
        image_size = max((size for size in _SIZES if size <= min(side, most)), default=min(side, most))
        image_size = max(image_size // patch, 1) * patch
        reason = "their median side is not known" if facts.side is None else f"half of them are {side} pixels or larger"
        chosen.append(Choice("views.size", image_size, f"{reason}; on {place} at most {most}"))
    image_size = check_integer("image_size", image_size, 8)

    automatic = method == "auto"
    if automatic:
        method = best_method(facts.count)
        chosen.append(Choice("objective.name", method, "best kNN accuracy of benchmarks/results/choices.md"))
    given = dict(method) if isinstance(method, dict) else {"name": method}
    name = given.pop("name")
    entry = find("objective", name)
    if entry is not None:  # else the recipe says so, with the closest names
        check_method(entry.target, given)

    if start is None and encoder == "auto":
        encoder, reason = _chosen_encoder(entry, cpu)
        chosen.append(Choice("encoder.name", encoder, f"on {place} {reason}"))
    network: dict[str, Any] = {"name": encoder}
    if start is not None:
        network = {"name": "Pretrained", "entry": start, **({"image_size": image_size} if patch > 1 else {})}
    elif encoder == "ConvNet":
        network |= {"widths": [16, 32, 64, 128] if image_size <= 16 else [16, 32, 64, 128, 256]}
    elif encoder == "ResNet":
        network |= {"depth": 18, "stem": "cifar"} if image_size <= 64 else {"depth": 50}
    elif encoder == "ViT":
        patch = next(size for size in (4, 8, 16) if image_size <= size * (8 if cpu else 14) or size == 16)
        image_size = max(image_size // patch, 1) * patch
        network |= {"variant": "Ti" if cpu else "S", "patch_size": patch, "image_size": image_size, "pooling": "mean"}
        network |= {"width": 96, "depth": 4, "heads": 4} if cpu else {}
    if facts.channels != 3 and start is None:
        network["input_shape"] = [image_size, image_size, facts.channels]

    if batch_size is None:
        batch_size = chosen_batch_size(facts.count, cpu)
        reason = f"at most {largest_batch(cpu)} on {place}, four batches in an epoch"
        chosen.append(Choice("training.batch_size", batch_size, reason))
    batch_size = check_integer("batch_size", batch_size, 2, facts.count)

    batches = batches_of(facts.count, batch_size)
    if epochs is None:
        epochs = chosen_epochs(facts.count, batch_size, cpu)
        about = f"about {epochs * batches:,} updates" if batches else "the number of images is not known"
        chosen.append(Choice("training.epochs", epochs, f"{about}; more would learn more"))
    epochs = check_integer("epochs", epochs, 1)

    objective = {"name": name, **given}
    if entry is not None:
        scale = DataScale(
            images=facts.count,
            image_size=image_size,
            channels=facts.channels,
            feature_dim=_feature_dim(network) if feature_dim is None else feature_dim,
            batch_size=batch_size,
            updates=None if batches is None else epochs * batches,
        )
        settings = scaled_settings(entry.target, scale, given)
        objective |= {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
        for key in settings.keys() - given.keys():
            chosen.append(
                Choice(f"objective.{key}", objective[key], f"for so many images; {name}'s own are its paper's")
            )

    transformer = encoder == "ViT" and start is None
    kind = "AdamW" if transformer else "Adam"
    base = RATES[kind] if start is None else 5e-4 if patch == 1 else 1e-4
    rate = scaled_rate(base, batch_size)
    reason = f"{kind}'s, {base:.0e} for 128 images, by the square root of the batch"
    chosen.append(Choice("optimizer.learning_rate", rate, reason))
    optimizer: dict[str, Any] = {"name": kind, "learning_rate": rate}
    if transformer:
        optimizer["weight_decay"] = WEIGHT_DECAY
    if start is not None:
        optimizer["layer_decay"] = 0.75
        chosen.append(Choice("optimizer.layer_decay", 0.75, "earlier blocks of a trained encoder need change least"))
    views = {"name": "own", **own_views(image_size, facts.channels)}
    if "color" in views:
        chosen.append(
            Choice("views.color", False, f"the images have {facts.channels} channels, not red, green and blue")
        )
    sections: dict[str, dict[str, Any]] = {
        "objective": objective,
        "encoder": network,
        "views": views,
        "optimizer": optimizer,
        "training": {"batch_size": batch_size, "epochs": epochs, "seed": seed},
    }
    if epochs > 1:
        sections["schedule"] = {"name": "WarmupCosine", "warmup_epochs": chosen_warmup(epochs)}
    if facts.name is not None:
        sections["data"] = {"name": facts.name, **facts.settings}
        if facts.streamed:
            sections["data"]["size"] = image_size
            if (
                image_size >= _LEAST_FULL and automatic and "bands" not in facts.settings
            ):  # whose views begin with random crops
                sections["data"]["crops"] = "full"
                chosen.append(
                    Choice("data.crops", "full", f"from {_LEAST_FULL} pixels on crops come from the files as they are")
                )
    return Recipe(sections), chosen


def check_method(kind: type[SSLModel], given: Mapping[str, Any]) -> None:
    """Raises where a method needs more than images, and that is not among the arguments `given`."""
    entry = find("objective", kind.__name__)
    if entry is not None and entry.modality not in ("image", "any"):
        raise ValueError(
            f"`method` must be one for images. Received: method={kind.__name__!r}, which is for {entry.modality}"
        )
    needs = [name for name, field in kind.fields.items() if field.required and name != "index"]
    needs += [name for name in needs_more(kind) if name not in given]
    if needs:
        free = ", ".join(name for name in names("objective") if name in ("BarlowTwins", "DCLW", "SimCLR", "VICReg"))
        raise ValueError(
            f"`method` must need images alone, such as {free}. {_recipes(kind)} "
            f"Received: method={kind.__name__!r}, which needs {', '.join(needs)}"
        )


def _recipes(kind: type[SSLModel]) -> str:
    """A sentence that names the recipes of a method that needs more than images."""
    mine = [name for name in list_recipes() if name.replace("_", "").startswith(kind.__name__.lower())]
    known = f" Its own: {', '.join(mine)}." if mine else ""
    return f"Others take a recipe: `keras-ssl pretrain --recipe=NAME`.{known}"


def _chosen_encoder(entry: Entry | None, cpu: bool) -> tuple[str, str]:
    """The name of an encoder, and why."""
    if entry is not None and (entry.target.needs_tokens or entry.family == "masked"):
        return "ViT", f"a vision transformer of few layers; {entry.name} works on its tokens"
    return (
        ("ConvNet", "a ResNet takes minutes for an epoch of a few thousand images") if cpu else ("ResNet", "the usual")
    )


def _feature_dim(network: Mapping[str, Any]) -> int:
    """Width of the features of an encoder that a recipe names; it is built where its section does not say."""
    if network["name"] == "ConvNet":
        return int(network["widths"][-1])
    if network["name"] == "ResNet":
        return 512 if network["depth"] == 18 else 2048
    arguments = {key: value for key, value in network.items() if key != "name"}
    encoder: Any = component("encoder", network).target(**arguments)  # type: ignore[misc]  # an encoder has one
    return int(encoder_shapes(encoder)[1][-1])

"""Choosing among runs without labels."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.evaluation.alpha_req import alpha_req
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.lidar import lidar
from keras_ssl.evaluation.rankme import rankme
from keras_ssl.evaluation.validation import as_images
from keras_ssl.evaluation.view_features import view_features
from keras_ssl.hub import Card, Recipe, load
from keras_ssl.hub.card import CARD_NAME
from keras_ssl.hub.read_run import RECIPE_NAME, RUN_WEIGHTS_NAME, read_run
from keras_ssl.losses.numeric import check_integer
from keras_ssl.messages import warn
from keras_ssl.paths import user_path
from keras_ssl.training import SSLModel
from keras_ssl.typing import Tensor

_MEASURES = ("rankme", "lidar")


@dataclass(frozen=True)
class RankedCheckpoint:
    """A checkpoint and what is known of it without labels.

    Args:
        path: the run's file of weights, or the folder of the exported entry.
        rankme: `rankme` of the encoder's features.
        lidar: `lidar` of features of views; None where it was not asked for or nothing says how to make views.
        alpha_req: `alpha_req` of the encoder's features, best near 1.
        loss: the last training loss, as the run noted it; None where it noted none.
        dimension: of the features: no rank exceeds it.
    """

    path: Path
    rankme: float
    lidar: float | None
    alpha_req: float
    loss: float | None
    dimension: int


def rank_checkpoints(
    logdir: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    images: Tensor | None = None,
    by: str = "rankme",
    samples: int = 2000,
    lidar_samples: int = 1000,
    lidar_views: int = 10,
    strict: bool = False,
    batch_size: int = 256,
) -> list[RankedCheckpoint]:
    """Orders runs and their checkpoints by what their features look like, best first; no labels are used.

    All are measured on the same images. RankMe and LiDAR estimate how well linear classifiers will do, within one
    method, data set and feature width: the ceiling of both is that width, so a wider encoder ranks higher for it
    alone. alpha-ReQ and the last training loss stand beside them; losses compare only between runs of one objective
    with equal settings.

    Args:
        logdir: a folder of runs; or one run; or a sequence of runs. A run is a folder that `scripts/pretrain.py`
            wrote (each `*.weights.h5` in it is a checkpoint) or an entry that `keras_ssl.export` wrote.
        images: `[N, H, W, C]`, uint8, to measure on. Defaults to `None`: the training images of the first run that
            can be read; runs on other data are then left out.
        by: "rankme" (default) or "lidar".
        samples: images for RankMe and alpha-ReQ, several times as many as features have dimensions; the first ones of
            `images`, or fewer where there are no more. Defaults to 2000.
        lidar_samples: images for LiDAR, more than features have dimensions; 0 leaves LiDAR out. Defaults to 1000.
        lidar_views: views of each, by the run's own pipeline; at least 2. Defaults to 10.
        strict: whether a checkpoint that cannot be read or measured (half-written, damaged, NaN in its features) is
            an error. Defaults to `False`: it is left out, with a warning that names it and says why.
        batch_size: images in a batch. Defaults to 256.

    Returns:
        The rows, the highest value of `by` first; checkpoints without it come last, equal ones by their path.

    Raises:
        ValueError: if an argument is out of range, there is no checkpoint that can be measured, or `strict` is set
            and one cannot.

    Example:

    ```python
    for row in keras_ssl.evaluation.rank_checkpoints("runs"):
        print(row.path, round(row.rankme, 1), row.loss)
    ```

    Reference:
        Garrido et al., "RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised Representations by
        Their Rank", ICML 2023; Thilak et al., "LiDAR: Sensing Linear Probing Performance in Joint Embedding SSL
        Architectures", ICLR 2024.
    """
    if by not in _MEASURES:
        raise ValueError(f"`by` must be one of {', '.join(_MEASURES)}. Received: by={by!r}")
    samples, batch_size = check_integer("samples", samples, 2), check_integer("batch_size", batch_size, 1)
    lidar_samples, lidar_views = (
        check_integer("lidar_samples", lidar_samples, 0),
        check_integer("lidar_views", lidar_views, 2),
    )
    if by == "lidar" and lidar_samples < 2:
        raise ValueError(f"`by` needs views of two images. Received: by='lidar', lidar_samples={lidar_samples}")
    array: Any = None if images is None else as_images("images", images)
    data: Any = None
    rows, reasons = [], []
    for path in _checkpoints(logdir):
        try:
            model, recipe, loss = _open(path)
            # Features do not show it on every backend: where NaN meets a ReLU, XLA may make a 0 of it.
            if not all(np.isfinite(weight).all() for weight in model.get_weights()):
                raise ValueError("Its weights hold NaN or infinity: the training diverged")
            if images is None:
                trained_on = {} if recipe is None else recipe.sections.get("data", {})
                if array is None and recipe is not None:
                    array, data = _training_images(recipe, max(samples, lidar_samples)), trained_on
                if array is None or trained_on != data:
                    raise ValueError(
                        f"It was trained on other data than the first: give `images`. Received: {trained_on}"
                    )
            features = extract_features(model, array[:samples], batch_size)
            found = None
            if lidar_samples and isinstance(model, SSLModel):
                found = lidar(*view_features(model, array[:lidar_samples], lidar_views, batch_size))
            row = RankedCheckpoint(path, rankme(features), found, alpha_req(features), loss, features.shape[1])
        except (ValueError, OSError) as error:
            if strict:
                raise ValueError(f"A checkpoint cannot be measured: {error} (in {str(path)!r})") from error
            warn(f"Left out: {path}: {error}", stacklevel=2)
            reasons.append(f"{path}: {error}")
        else:
            rows.append(row)
    if not rows:
        raise ValueError(
            f"No checkpoint can be measured. Received: logdir={logdir!r}; {reasons[0] if reasons else 'no run'}"
        )
    return sorted(rows, key=lambda row: (-_value(row, by), row.path))


def _value(row: RankedCheckpoint, by: str) -> float:
    value = getattr(row, by)
    return -np.inf if value is None else value


def _checkpoints(logdir: Any) -> Iterator[Path]:
    """The checkpoints of a run, of the runs in a folder, or of a sequence of runs; a run without any as its folder."""
    if isinstance(logdir, str | os.PathLike):
        folder = Path(user_path(logdir))
        if not folder.is_dir():
            raise ValueError(f"`logdir` must be a folder. Received: logdir={str(logdir)!r}")
        runs = [folder] if _is_run(folder) else [path for path in sorted(folder.iterdir()) if path.is_dir()]
        runs = [path for path in runs if not path.name.startswith(".")]
    else:
        runs = [Path(user_path(path)) for path in logdir]
    for run in runs:
        weights = sorted(path for path in run.glob("*.weights.h5") if not path.name.startswith("."))
        yield from weights if (run / RECIPE_NAME).is_file() and weights else [run]


def _is_run(folder: Path) -> bool:
    return (folder / RECIPE_NAME).is_file() or (folder / CARD_NAME).is_file()


def _open(path: Path) -> tuple[keras.Model, Recipe | None, float | None]:
    """The model of a checkpoint, an `SSLModel` where it is known how to make views; its recipe, and its last loss."""
    if path.is_file():
        run = read_run(path.parent, path.name)
        return run.model, run.recipe, _loss(run.results) if path.name == RUN_WEIGHTS_NAME else None
    if not _is_run(path):
        raise ValueError(f"A run has a {RECIPE_NAME} or a {CARD_NAME}. Received: {str(path)!r}")
    if not (path / CARD_NAME).is_file():
        raise ValueError(f"The run has no weights: it has not finished. Received: {str(path)!r}")
    card = Card.read(path / CARD_NAME)
    model = load(path, trainable=False)
    if not card.recipe:
        return model, None, _loss(card.results)
    recipe = Recipe(card.recipe)
    objective = recipe.build_model()
    objective.encoder.set_weights(model.get_weights())
    return objective, recipe, _loss(card.results)


def _loss(results: dict[str, Any]) -> float | None:
    loss = results.get("loss")
    return float(loss) if isinstance(loss, int | float) else None


def _training_images(recipe: Recipe, count: int) -> np.ndarray:
    """Images on which a run was trained, in an order that does not depend on the run's seed."""
    batches, _ = recipe.override("training.seed=0").build_data()
    parts, found = [], 0
    for number in range(len(batches)):
        parts.append(batches[number]["x"])
        found += len(parts[-1])
        if found >= count:
            break
    return np.concatenate(parts)[:count]

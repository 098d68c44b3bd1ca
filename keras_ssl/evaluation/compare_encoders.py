"""An encoder beside others and beside none: the same head and the same fine-tuning, at an equal budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.finetune import finetune, finetuning_epochs
from keras_ssl.evaluation.finetuned_classifier import features_model
from keras_ssl.evaluation.linear_probe import linear_probe
from keras_ssl.evaluation.stratified_subset import check_share, stratified_subset
from keras_ssl.evaluation.validation import as_images, labeled_only
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import seeded_initializers
from keras_ssl.typing import Tensor

__all__ = ["EncoderComparison", "compare_encoders"]

BASELINES = ("untrained", "scratch")


@dataclass(frozen=True)
class EncoderComparison:
    """A row of a comparison.

    Args:
        name: of the encoder, or of the baseline.
        head: test accuracy of a linear classifier on frozen features, for each seed; empty for "scratch".
        finetuned: test accuracy after fine-tuning everything, for each seed; empty for "untrained".
        labels: number of labels that each was given.
        epochs: of fine-tuning.

    Example:

    >>> row = EncoderComparison("scratch", (), (0.5, 0.6), labels=100, epochs=20)
    >>> max(row.finetuned)
    0.6
    """

    name: str
    head: tuple[float, ...]
    finetuned: tuple[float, ...]
    labels: int
    epochs: int


def compare_encoders(
    models: Mapping[str, keras.Model],
    train_images: Tensor,
    train_labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    baselines: Sequence[str] = BASELINES,
    fraction: float = 0.1,
    seeds: int = 3,
    epochs: int | None = None,
    batch_size: int = 64,
) -> list[EncoderComparison]:
    """Compares encoders with one another and with new weights, on one budget of labels and updates.

    Each seed draws a part of the labels (`stratified_subset`), the same for every row. With it, every encoder gets a
    linear classifier on its frozen features (`linear_probe`), and a copy is fine-tuned whole (`finetune`). Of the first
    encoder's network with new weights, "untrained" is the first of the two and "scratch" the second, with as many
    updates. A row that exceeds another by less than the spread over seeds shows nothing.

    Args:
        models: encoders by name, as for `finetune`; the first is the one that baselines are of.
        train_images: `[N, ...]`, in the type that the models expect.
        train_labels: integers or strings `[N]`; -1 is unlabeled, and left out, here and of the test part.
        test_images: `[M, ...]`.
        test_labels: `[M]`.
        baselines: any of "untrained" and "scratch". Defaults to both.
        fraction: share of the labels of each class, above 0 and at most 1. Defaults to 0.1.
        seeds: number of seeds, from 0 on. Defaults to 3.
        epochs: of fine-tuning. Defaults to None: as many as `finetune` takes.
        batch_size: of fine-tuning. Defaults to 64.

    Returns:
        The baselines' rows, then those of the encoders, in their order.

    Raises:
        ValueError: if there is no model, a baseline is unknown, or as `finetune`.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((2, 2, 3)), keras.layers.Flatten()])
    >>> y = np.repeat([0, 1], 20)
    >>> x = np.ones((40, 2, 2, 3), "float32") * y[:, None, None, None].astype("float32")
    >>> rows = compare_encoders({"pixels": model}, x, y, x, y, baselines=[], seeds=1, epochs=1)
    >>> rows[0].name, rows[0].head
    ('pixels', (1.0,))
    """
    if not models:
        raise ValueError("`models` must hold an encoder. Received: models={}")
    unknown = [name for name in baselines if name not in BASELINES]
    if unknown or set(models) & set(BASELINES):
        raise ValueError(
            f"`baselines` must be among {', '.join(BASELINES)}, and no model have such a name. "
            f"Received: baselines={list(baselines)}, models={list(models)}"
        )
    check_share("fraction", fraction)
    seeds, batch_size = check_integer("seeds", seeds, 1), check_integer("batch_size", batch_size, 1)
    epochs = None if epochs is None else check_integer("epochs", epochs, 1)
    train_images, test_images = as_images("train_images", train_images), as_images("test_images", test_images)
    images, labels = labeled_only("train_images", train_images, "train_labels", train_labels)
    test, truth = labeled_only("test_images", test_images, "test_labels", test_labels)
    chosen = [stratified_subset(labels, fraction, seed) for seed in range(seeds)]
    count = len(chosen[0])
    epochs = finetuning_epochs(count, batch_size) if epochs is None else epochs

    def head(model: keras.Model, rows: np.ndarray) -> float:
        features = extract_features(model, images[rows]), extract_features(model, test)
        return linear_probe(features[0], labels[rows], features[1], truth)

    first = next(iter(models.values()))
    found: dict[str, tuple[list[float], list[float]]] = {
        name: ([], []) for name in (*(name for name in BASELINES if name in baselines), *models)
    }
    for seed in range(seeds):
        if "untrained" in found:
            found["untrained"][0].append(head(_with_new_weights(first, images.dtype, seed), chosen[seed]))
        for name, model in models.items():
            scratch = model is first and "scratch" in found
            tuned = finetune(
                model, images, labels, test, truth, fraction, scratch, epochs, batch_size=batch_size, seed=seed
            )
            found[name][0].append(head(model, chosen[seed]))
            found[name][1].append(tuned.accuracy)
            if tuned.scratch is not None:
                found["scratch"][1].append(tuned.scratch)
    return [EncoderComparison(name, tuple(heads), tuple(full), count, epochs) for name, (heads, full) in found.items()]


def comparison_table(rows: Sequence[EncoderComparison]) -> list[dict[str, str]]:
    """The rows as texts: mean and spread in %, the spread over seeds where there are several."""
    return [
        {
            "encoder": row.name,
            "head on frozen features": _shown(row.head),
            "fine-tuned": _shown(row.finetuned),
            "labels": str(row.labels),
            "epochs": str(row.epochs),
            "seeds": str(max(len(row.head), len(row.finetuned))),
        }
        for row in rows
    ]


def _shown(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f}{spread}"


def _with_new_weights(model: keras.Model, dtype: np.dtype, seed: int) -> keras.Model:
    """The same network with new weights."""
    with seeded_initializers(seed):
        return keras.models.clone_model(features_model(model, "float32" if dtype.kind == "f" else dtype.name))

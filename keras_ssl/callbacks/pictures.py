"""What of views and features the TensorBoard callback shows beside its curves."""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from keras_ssl.callbacks.event_writer import EventWriter
from keras_ssl.callbacks.projector_files import write_projector
from keras_ssl.callbacks.pseudo_label_monitor import class_numbers
from keras_ssl.callbacks.views_grid import views_grid
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.pair_similarities import pair_similarities
from keras_ssl.evaluation.spectrum import covariance_eigenvalues
from keras_ssl.layers.image_preprocessing import ImagePreprocessing
from keras_ssl.layers.pixel_scale import to_unit_range
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.training.step import Step

_BINS = 30  # TensorBoard's page draws as many, so that it need not divide ours anew
_LEAST = 1e-6  # share of the largest singular value that counts as none


def encoder_inputs(model: SSLModel, images: np.ndarray) -> list[np.ndarray]:
    """The views of a batch of images as the next training step would make them: what the encoder gets."""
    step = Step.at(len(images), seed=model.seed, index=int(keras.ops.convert_to_numpy(model.step)))
    views = model.make_views({"x": images}, step)
    return [keras.ops.convert_to_numpy(keras.ops.cast(view, "float32")) for view in views]


def pixels(model: SSLModel, view: np.ndarray) -> np.ndarray:
    """An encoder's input as an image in [0, 1]; where it was not made by `ImagePreprocessing`, stretched to that."""
    if isinstance(model.preprocessing, ImagePreprocessing):
        return view * np.asarray(model.preprocessing.std, "float32") + np.asarray(model.preprocessing.mean, "float32")
    low, high = min(0.0, float(view.min())), max(1.0, float(view.max()))
    return (view - low) / (high - low)


def draw_views(writer: EventWriter, model: SSLModel, images: np.ndarray, step: int) -> None:
    """Writes a grid of images and their views as image `views`."""
    unit = np.asarray(keras.ops.convert_to_numpy(to_unit_range(images, model.value_range)))
    views = [pixels(model, view) for view in encoder_inputs(model, images)]
    writer.image("views", views_grid(unit, views), step, "Left the sample, then its views as the step makes them.")


def draw_similarities(writer: EventWriter, model: SSLModel, images: np.ndarray, step: int, batch_size: int) -> None:
    """Writes how the cosine similarities of features spread, `similarity/positive_pairs` and `.../negative_pairs`."""
    views = encoder_inputs(model, images)[:2]
    features = [extract_features(model.encoder, view, batch_size) for view in views]
    if len(features) < 2 or not all(np.isfinite(array).all() for array in features):
        return
    for kind, values in zip(("positive", "negative"), pair_similarities(*features), strict=True):
        counts, edges = np.histogram(values, _BINS, (-1.0, 1.0))
        what = "two views of one sample" if kind == "positive" else "views of different samples"
        text = f"Cosine similarity of the features of {what}; the height is the share of the pairs."
        writer.histogram(f"similarity/{kind}_pairs", edges, counts / len(values), step, text)


def draw_features(
    writer: EventWriter,
    folder: Path | None,
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray | None,
    step: int,
    batch_size: int,
) -> None:
    """Writes the spectrum of the features as `spectrum/log10_singular_values`, and the projector's files to a folder;
    None to write none."""
    features = extract_features(model, images, batch_size)
    if not np.isfinite(features).all():
        return
    heights = spectrum_heights(features)
    text = (
        "The spectrum of the centered features: bar k is the k-th largest singular value, in decades above a millionth "
        "of the largest. Where it falls to 0 early, few dimensions are used: dimensional collapse."
    )
    writer.histogram("spectrum/log10_singular_values", np.arange(len(heights) + 1), heights, step, text)
    if folder is not None:
        write_projector(folder, features, images, labels)


def draw_pseudo_labels(writer: EventWriter, logs: Mapping[str, float], step: int) -> None:
    """Writes what `PseudoLabelMonitor` has logged of the classes as `pseudo_labels/count` and `.../precision`, a bar
    for each; nothing where it has not."""
    texts = {
        "count": "How many pseudo-labels in use name a class: bar c is that of class c.",
        "precision": "The share of right ones among them: bar c is that of class c; 0 where there are none.",
    }
    for kind, values in class_numbers(logs).items():
        heights = np.zeros(max(values) + 1)
        heights[list(values)] = np.nan_to_num(list(values.values()))
        writer.histogram(f"pseudo_labels/{kind}", np.arange(len(heights) + 1), heights, step, texts[kind])


def spectrum_heights(features: np.ndarray) -> np.ndarray:
    """`log10` of the centered features' singular values over a millionth of the largest, `[min(N - 1, D)]` from 6 to 0.

    Bars can be no lower than 0, which stands for all that is a millionth of the largest or less.
    """
    shares = np.zeros(min(len(features) - 1, features.shape[1]))
    values = covariance_eigenvalues(features)
    if len(values):
        shares[: len(values)] = np.sqrt(values / values[0])
    return np.log10(np.maximum(shares, _LEAST) / _LEAST)

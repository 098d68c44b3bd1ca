"""Fine-tuning: what an encoder is worth as a start, where only a part of the images has labels."""

import math
from typing import NamedTuple

import keras
import numpy as np

from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.finetuned_classifier import features_model, finetuned_classifier
from keras_ssl.evaluation.stratified_subset import check_share, stratified_subset
from keras_ssl.evaluation.validation import as_images, labeled_only
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor

_EPOCHS, _UPDATES = 20, 400


class FinetuneAccuracy(NamedTuple):
    """The test accuracy, that of the same network trained from scratch (None: not asked), and the labels taken."""

    accuracy: float
    scratch: float | None
    samples: int


def finetune(
    model: keras.Model,
    train_images: Tensor,
    train_labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    fraction: float = 0.1,
    from_scratch: bool = False,
    epochs: int | None = None,
    learning_rate: float = 1e-3,
    batch_size: int = 64,
    seed: int = 0,
) -> FinetuneAccuracy:
    """Accuracy after training a copy of an encoder, under a new linear layer, with a part of the labels.

    All of the copy trains, batch normalization by the statistics of the batches, with cross-entropy and Adam, whose
    learning rate falls to 0 by half a cosine. The labels are those of `stratified_subset`, so the same for every
    encoder; the linear layer and the order of the images follow from `seed` too. Images are not augmented, and
    nothing is chosen on the test images: the figure is that of the last step. `model` itself stays as it is.

    Args:
        model: any Keras model that maps a batch of images to features `[N, D]` and can be cloned
            (`keras.models.clone_model`), such as what `keras_ssl.load` returns; or an `SSLModel`, whose encoder and
            preprocessing are taken.
        train_images: `[N, ...]`, in the type that the model expects (uint8 for the models of this library).
        train_labels: integers or strings `[N]`. Samples of -1 (unlabeled) are left out, here and of the test part.
        test_images: `[M, ...]`.
        test_labels: `[M]`. A class that the training set lacks counts as an error.
        fraction: share of the labels of each class, above 0 and at most 1. Defaults to 0.1.
        from_scratch: whether to train the same network from new weights as well. Defaults to `False`.
        epochs: passes over the labelled images. Defaults to `None`: 20, or as many as make 400 updates if that is
            more, so that few labels do not mean few steps.
        learning_rate: of the first step. Defaults to 1e-3.
        batch_size: images in a batch; all of them where there are fewer. What does not fill a last batch is left
            out of the epoch (others in each). Defaults to 64.
        seed: of the subset, the new weights and the order. Defaults to 0.

    Returns:
        The named tuple `(accuracy, scratch, samples)`: accuracies 0 to 1, `scratch` is `None` unless asked for, and
        the number of labels that were used.

    Raises:
        ValueError: if lengths differ, a set is empty, an image holds NaN or infinity (its number is named), an
            argument is out of range, the model gives no features `[N, D]`, or the training diverges.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((2, 2, 3)), keras.layers.Flatten()])
    >>> labels = np.repeat([0, 1], 20)
    >>> images = np.full((40, 2, 2, 3), 1.0) * labels[:, None, None, None]
    >>> finetune(model, images, labels, images, labels, fraction=0.5, learning_rate=0.05)
    FinetuneAccuracy(accuracy=1.0, scratch=None, samples=20)

    Reference:
        Zhai et al., "S4L: Self-Supervised Semi-Supervised Learning", ICCV 2019 (1 % and 10 % of the labels, each
        class with its share); Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations",
        ICML 2020. Their schedules and augmentations differ, and this figure depends on both.
    """
    images, test = as_images("train_images", train_images), as_images("test_images", test_images)
    images, labels = labeled_only("train_images", images, "train_labels", train_labels)
    test, truth = labeled_only("test_images", test, "test_labels", test_labels)
    check_share("fraction", fraction)
    epochs = None if epochs is None else check_integer("epochs", epochs, 1)
    check_positive("learning_rate", learning_rate)
    batch_size, seed = check_integer("batch_size", batch_size, 1), check_integer("seed", seed, 0)
    # Keras casts what goes into a model to the type of its `Input`, and the type is the scale of pixels.
    dtype = keras.backend.standardize_dtype("float32" if images.dtype.kind == "f" else images.dtype.name)
    if (test.dtype.kind == "f") != (images.dtype.kind == "f"):
        raise ValueError(
            "`test_images` must be of the type of `train_images`, which says what scale their pixels have. "
            f"Received: train_images.dtype={images.dtype}, test_images.dtype={test.dtype}"
        )
    features = features_model(model, dtype)

    chosen = stratified_subset(labels, fraction, seed)
    classes, numbers = np.unique(labels[chosen], return_inverse=True)
    samples, size = images[chosen], min(batch_size, len(chosen))
    epochs = finetuning_epochs(len(chosen), batch_size) if epochs is None else epochs

    def accuracy(pretrained: bool) -> float:
        classifier = finetuned_classifier(
            features,
            samples,
            numbers,
            len(classes),
            pretrained,
            dtype=dtype,
            epochs=epochs,
            batch_size=size,
            learning_rate=learning_rate,
            seed=seed,
        )
        logits = extract_features(classifier, test, max(size, 256))
        if not np.isfinite(logits).all():
            raise ValueError(f"Training diverged: `learning_rate` is too high. Received: learning_rate={learning_rate}")
        return float(np.mean(classes[logits.argmax(axis=1)] == truth))

    return FinetuneAccuracy(accuracy(True), accuracy(False) if from_scratch else None, len(chosen))


def finetuning_epochs(labels: int, batch_size: int) -> int:
    """The epochs of `finetune` with so many labels, where none are said."""
    return max(_EPOCHS, math.ceil(_UPDATES / (labels // min(batch_size, labels))))

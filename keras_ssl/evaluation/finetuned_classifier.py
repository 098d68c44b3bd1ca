"""An encoder under a new linear layer, all of it trained with labels: what fine-tuning and its defenses share."""

from collections.abc import Callable

import keras
import numpy as np

from keras_ssl.data.from_arrays import from_arrays
from keras_ssl.random import seeded_initializers
from keras_ssl.schedules import WarmupCosine
from keras_ssl.training import SSLModel


def finetuned_classifier(
    features: keras.Model,
    images: np.ndarray,
    numbers: np.ndarray,
    classes: int,
    pretrained: bool,
    dtype: str,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    attack: Callable[[keras.Model], Callable[[np.ndarray, np.ndarray], np.ndarray]] | None = None,
) -> keras.Model:
    """A trained classifier `images -> logits [N, classes]`; `features` stays as it is.

    Args:
        features: the functional model that is copied.
        images: `[N, ...]`, at least `batch_size`.
        numbers: of the classes, `[N]`.
        classes: how many there are.
        pretrained: whether the copy starts from the weights of `features`, or from new ones.
        dtype: of the images as the model takes them.
        epochs: passes over the images.
        batch_size: images in a batch.
        learning_rate: of the first step; it falls to 0 by half a cosine.
        seed: of the new weights and the order.
        attack: gives a function that moves a batch, given its labels, by the classifier that is trained. Each batch is
            then followed by a moved one. Defaults to None.
    """
    steps = len(images) // batch_size
    with seeded_initializers(seed):
        copy = keras.models.clone_model(features)
        copy.trainable = True
        if pretrained:
            copy.set_weights(features.get_weights())
        inputs = keras.Input(features.input_shape[1:], dtype=dtype)
        classifier = keras.Sequential([inputs, copy, keras.layers.Dense(classes, dtype="float32")])
    updates = epochs * steps * (1 if attack is None else 2)
    classifier.compile(
        keras.optimizers.Adam(WarmupCosine(learning_rate, updates)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # XLA is slow to compile and no faster on a CPU; JAX has nothing else.
        jit_compile=keras.backend.backend() == "jax",
    )
    move = None if attack is None else attack(classifier)
    batches = from_arrays(images, numbers, batch_size=batch_size, seed=seed)
    for _ in range(epochs):
        for number in range(steps):
            x, y = batches[number]["x"], batches[number]["y"]
            classifier.train_on_batch(x, y)
            if move is not None:
                classifier.train_on_batch(move(x, y), y)
        batches.on_epoch_end()
    return classifier


def features_model(model: keras.Model, dtype: str) -> keras.Model:
    """The functional model from images to features that is to be copied."""
    if isinstance(model, SSLModel):
        images = keras.Input(model.encoder_input_shape[1:], dtype=dtype)
        model = keras.Model(images, model.encoder(model.encoder_input(images)))
    shape = getattr(model, "output_shape", None)
    if not isinstance(model, keras.Model) or not isinstance(shape, tuple) or len(shape) != 2:
        raise ValueError(
            "Argument `model` must be a keras.Model that maps images to features [N, D]. "
            f"Received: model={model!r} with output shape {shape}"
        )
    return model

"""Barlow Twins' training step on ready-made views: by `fit` of this library, and by a bare loop of the same maths."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_ssl
from keras_ssl.losses import barlow_twins_loss

_ENCODERS = {
    "resnet18": lambda: keras_ssl.encoders.ResNet(18, stem="cifar"),
    "conv_net": lambda: keras_ssl.encoders.ConvNet(),
}


def model_of(encoder: str, projector: list[int]) -> keras_ssl.BarlowTwins:
    keras.utils.set_random_seed(0)
    model = keras_ssl.BarlowTwins(_ENCODERS[encoder](), projector=projector)
    model.compile(keras.optimizers.SGD(1e-3), jit_compile=False)
    return model


def views(size: int, batch_size: int) -> tuple[tf.Tensor, ...]:
    draws = [np.random.default_rng(seed).random((batch_size, size, size, 3), "float32") for seed in range(2)]
    return tuple(tf.constant(draw) for draw in draws)


def fit(encoder: str, projector: list[int], size: int, batch_size: int, steps: int) -> tuple[Callable[[], Any], int]:
    """An epoch of `fit`, its logs and its progress included, but for the printing."""
    model = model_of(encoder, projector)
    data = tf.data.Dataset.from_tensors((views(size, batch_size),)).repeat(steps)

    def run() -> None:
        model.fit(data, verbose=0)

    return run, batch_size * steps


def bare(encoder: str, projector: list[int], size: int, batch_size: int, steps: int) -> tuple[Callable[[], Any], int]:
    """The same maths without the base class, its state, its logs, and Keras' trainer."""
    model = model_of(encoder, projector)
    optimizer = keras.optimizers.SGD(1e-3)
    optimizer.build(model.trainable_variables)
    mean, std = (np.asarray(value, "float32") for value in (model.preprocessing.mean, model.preprocessing.std))
    data = tf.data.Dataset.from_tensors(views(size, batch_size)).repeat(steps)

    def embed(view: tf.Tensor) -> tf.Tensor:
        return model.projector(model.encoder((view - mean) / std, training=True), training=True)

    @tf.function
    def step(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = barlow_twins_loss(embed(first), embed(second))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    def run() -> None:
        for first, second in data:
            loss = step(first, second)
        float(loss)

    return run, batch_size * steps

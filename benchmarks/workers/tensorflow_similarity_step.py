"""Barlow Twins' training step on ready-made views by TensorFlow Similarity (Keras 2, TensorFlow 2.15)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_similarity.losses import Barlow
from tensorflow_similarity.models import ContrastiveModel

layers = tf.keras.layers


def conv_net(size: int) -> tf.keras.Model:
    images = x = layers.Input((size, size, 3))
    for number, width in enumerate((16, 32, 64, 128)):
        if number:
            x = layers.MaxPooling2D(2, padding="same")(x)
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return tf.keras.Model(images, layers.GlobalAveragePooling2D()(x))


def head(width: int, widths: list[int]) -> tf.keras.Model:
    features = x = layers.Input((width,))
    for hidden in widths[:-1]:
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(hidden, use_bias=False)(x)))
    return tf.keras.Model(features, layers.Dense(widths[-1], use_bias=False)(x))


def fit(projector: list[int], size: int, batch_size: int, steps: int) -> tuple[Callable[[], Any], int]:
    backbone = conv_net(size)
    model = ContrastiveModel(
        backbone=backbone, projector=head(backbone.output_shape[-1], projector), algorithm="barlow"
    )
    model.compile(optimizer=tf.keras.optimizers.SGD(1e-3), loss=Barlow(name="barlow"))
    views = tuple(tf.random.uniform((batch_size, size, size, 3)) for _ in range(2))
    data = tf.data.Dataset.from_tensors(views).repeat(steps)

    def run() -> None:
        model.fit(data, verbose=0)

    return run, batch_size * steps

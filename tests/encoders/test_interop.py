"""Backbones of keras-hub and keras-cv, built from arguments (their named presets would be downloaded), as encoders."""

import keras
import numpy as np
import pytest

import keras_ssl
from tests.interop import backbones

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="both import TensorFlow"),
]


def pooled(backbone):
    """A backbone's feature map, averaged: features [N, D]."""
    outputs = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.input, outputs)


def keras_hub_resnet():
    return pooled(backbones.new_resnet())


def keras_hub_vit():
    models = pytest.importorskip("keras_hub").models
    backbone = models.ViTBackbone(
        image_shape=(16, 16, 3), patch_size=4, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32
    )
    return keras.Model(backbone.input, backbone.output[:, 0])


def keras_cv_resnet():
    models = pytest.importorskip("keras_cv").models
    return pooled(
        models.ResNetBackbone(
            stackwise_filters=[16, 32],
            stackwise_blocks=[2, 2],
            stackwise_strides=[1, 2],
            include_rescaling=False,
            input_shape=(16, 16, 3),
        )
    )


@pytest.mark.parametrize("make", [keras_hub_resnet, keras_hub_vit, keras_cv_resnet])
def test_backbone_trains_as_an_encoder(make):
    model = keras_ssl.BarlowTwins(make(), projector=(32, 32), views=keras_ssl.views.barlow_twins(blur=False))
    model.compile(keras.optimizers.Adam(1e-3))
    images = np.random.RandomState(0).randint(0, 256, (16, 16, 16, 3)).astype("uint8")
    history = model.fit(images, batch_size=8, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model.predict(images, verbose=0).shape == (16, model.feature_dim)


def test_backbone_has_a_momentum_teacher():
    encoder = keras_hub_resnet()
    model = keras_ssl.BYOL(encoder, projector=(16, 8), predictor=(16, 8), momentum=0.5)
    model.compile("sgd")
    images = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
    before = model.teacher.get_weights()
    model.fit(images, batch_size=8, verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.teacher.get_weights(), strict=True)]
    assert sum(moved) >= len(encoder.trainable_weights)

"""Small backbones of keras-hub with drawn weights: their named presets would be downloaded."""

import numpy as np
import pytest


def drawn(model, seed=0):
    """Gives every weight a number that no initializer would, so that features are about 1."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed" in variable.name:
            continue
        kernel = len(variable.shape) > 1
        variable.assign(rng.normal(0, 0.2, variable.shape) if kernel else rng.uniform(0.2, 1.0, variable.shape))
    return model


def dinov2(**options):
    models = pytest.importorskip("keras_hub").models
    sizes = {"patch_size": 4, "num_layers": 2, "hidden_dim": 16, "num_heads": 2, "intermediate_dim": 32}
    shapes = {"image_shape": (16, 16, 3), "position_embedding_shape": (16, 16, 3)}
    return drawn(models.DINOV2Backbone(**{**sizes, **shapes, **options}))


def vit(**options):
    models = pytest.importorskip("keras_hub").models
    sizes = {"patch_size": 4, "num_layers": 2, "hidden_dim": 16, "num_heads": 2, "mlp_dim": 32}
    return drawn(models.ViTBackbone(**{**sizes, "image_shape": (16, 16, 3), **options}))


def deit():
    models = pytest.importorskip("keras_hub").models
    sizes = {"patch_size": 4, "num_layers": 2, "hidden_dim": 16, "num_heads": 2, "intermediate_dim": 32}
    return drawn(models.DeiTBackbone(**sizes, image_shape=(16, 16, 3)))


def dinov3():
    models = pytest.importorskip("keras_hub").models
    sizes = {"patch_size": 4, "num_layers": 2, "hidden_dim": 16, "num_heads": 2, "intermediate_dim": 32}
    return drawn(models.DINOV3Backbone(**sizes, image_shape=(16, 16, 3)))


def new_resnet():
    """With the weights of its initializers."""
    models = pytest.importorskip("keras_hub").models
    return models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(16, 16, 3),
    )


def resnet():
    return drawn(new_resnet())

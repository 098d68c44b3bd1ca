"""Barlow Twins by `fit` of this library on JAX, from uint8 images on the device."""

from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np
from gpu_cases import blurred, case

import keras_ssl


def encoder_of(name: str, size: int) -> keras.Model:
    """The encoder of a case, for images of a known size."""
    shape = (size, size, 3)
    if name == "vit_s16":
        patch = 16 if size >= 64 else 4
        return keras_ssl.encoders.ViT("S", patch, image_size=size // patch * patch, input_shape=shape)
    depth = int(name.removeprefix("resnet"))
    return keras_ssl.encoders.ResNet(depth, stem="cifar" if size <= 32 else "imagenet", input_shape=shape)


def model_of(name: str, size: int, projector: list[int]) -> keras_ssl.BarlowTwins:
    """The model of a case, in bfloat16 beside float32 weights."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    views = keras_ssl.views.barlow_twins(size=size, blur=blurred(size))
    with keras_ssl.random.seeded_initializers(0):
        model = keras_ssl.BarlowTwins(encoder_of(name, size), projector=projector, views=views)
    model.compile(keras.optimizers.SGD(1e-6, momentum=0.9))
    return model


def product_flops(model: keras_ssl.BarlowTwins) -> float:
    """Floating-point operations of convolutions and matrix products for a training step, per image.

    Counted on the layers: two operations a multiplication, both views, and the backward pass as two forward passes.
    What is elementwise, and the loss, is left out, so the utilisation is not flattered.
    """
    total = 0.0
    for layer in model.encoder.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            positions = np.prod(layer.output.shape[1:-1])
            total += 2.0 * float(positions) * float(np.prod(layer.kernel.shape))
        elif isinstance(layer, keras_ssl.layers.SelfAttention):
            _, tokens, width = layer.output.shape
            total += 4.0 * tokens * tokens * width
    widths = [model.feature_dim, *model.projector.widths]
    total += sum(2.0 * before * after for before, after in zip(widths, widths[1:], strict=False))
    return 3 * 2 * total


def train(encoder: str, steps: int, small: bool = False) -> tuple[Callable[[], Any], int]:
    """Steps of `fit` on uint8 images that lie on the device; logs included.

    Args:
        encoder: name of the case.
        steps: in a round, at least; whole epochs are run.
        small: whether to run the case with tiny sizes.
    """
    sizes = case(encoder, small)
    model = model_of(encoder, sizes["size"], sizes["projector"])
    side = sizes["source"]
    images = np.random.default_rng(0).integers(0, 256, (sizes["images"], side, side, 3), "uint8")
    data = keras_ssl.data.from_arrays(images, batch_size=sizes["batch_size"], on_device=True)
    epochs = -(-steps // len(data))
    facts = {"flops_per_image": product_flops(model), "device": jax.devices()[0].device_kind}

    def run() -> dict[str, Any]:
        history = model.fit(data, epochs=epochs, verbose=0).history
        stats = jax.devices()[0].memory_stats() or {}
        return {**facts, "loss": history["loss"][-1], "device_peak_mb": stats.get("peak_bytes_in_use", 0) / 2**20}

    return run, sizes["batch_size"] * len(data) * epochs

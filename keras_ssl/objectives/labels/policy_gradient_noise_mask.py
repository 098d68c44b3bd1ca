"""Policy gradient-driven noise masks."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.centering import Centering
from keras_ssl.layers.noise_mask import NoiseMask, beta_draws
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.robust.policy_gradient_loss import beta_log_density, policy_gradient_loss
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import LabelledModel, label_losses
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor

_BOUND = 4.0  # of log alpha and log beta: densities and their gradients stay within float32


@register("objective", family="labels", paper="https://arxiv.org/abs/2406.14568")
class PolicyGradientNoiseMask(LabelledModel):
    r"""A classifier heated by noise that a small policy learns to place on each image; afterwards it is tuned plainly.

    The policy maps an image to `a` and `b`, and a grid of numbers in [0, 1] is drawn from Beta(exp(a'), exp(b')),
    where `a' = decay * base + (1 - decay) * a` and `base` is a running mean of a over images (b likewise). The grid,
    enlarged and blurred, multiplies the image (`keras_ssl.layers.NoiseMask`). Then

        classifier:  mean_i CE_i                                          of the masked images
        policy:      mean_i stop_gradient(CE_i - b_i) log p(grid_i)       (REINFORCE: `policy_gradient_loss`)

    so the policy learns masks under which the cross-entropy is low, b_i being the mean of the other samples. The two
    losses share no gradient: none of CE flows into the policy (draws have none), none of the policy's into the
    classifier. (In the authors' code both are one product, `CE_i log sum_cells p`, by which the classifier's gradient
    is scaled too; here they are kept apart, and log p is the density of all cells, without which the estimate would be
    biased.) Logged: `loss` (both), `supervised` (CE), `mask` (mean of the grid), `accuracy`.

    Masks are drawn in training only. After it, train the encoder or the classifier on: `keras_ssl.evaluation.finetune`
    on the encoder, or this class with `amplitude=0`, which draws no mask and is plain training. The encoder that is
    exported has no part of the policy.

    Args:
        encoder: a built `keras.Model` that maps images `[N, H, W, C]` to features `[N, F]`.
        classes: number of classes.
        grid: cells of the mask along each side. Defaults to 4.
        sigma: blur of the mask, in pixels. Defaults to 1.
        amplitude: in [0, 1]; how strong the mask is. Defaults to 1; 0 is plain training.
        decay: weight of the running mean in the parameters, in [0, 1). Defaults to 0.9, as in the authors' code.
        base_momentum: of the running mean, in [0, 1]. Defaults to 0.99, as in the authors' code.
        policy_weight: of the policy's loss, positive. With SGD it scales the policy's learning rate. Defaults to 1.
        policy: a built `keras.Model` that maps the encoder's inputs to a and b together, `[N, 2 * grid * grid]`.
            Defaults to None: two convolutions, a mean over places and a hidden layer of 32.
        **kwargs: `views` (default: a crop and flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range, the encoder is not for images, or the policy's output does not fit.

    Example:

    ```python
    model = keras_ssl.PolicyGradientNoiseMask(keras_ssl.encoders.ConvNet(), classes=10)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    tuned = keras_ssl.PolicyGradientNoiseMask(model.encoder, classes=10, amplitude=0.0)
    tuned.compile(keras.optimizers.Adam(1e-4))
    tuned.fit(images, labels, epochs=3)
    ```

    Reference:
        Yavuz and Yang, "Policy Gradient-Driven Noise Mask", ICPR 2024.
    """

    monitor: ClassVar[str | None] = "features"
    view_count: ClassVar[int] = 1
    scope: ClassVar[str] = "batch"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "grid": 2, "decay": 0.2, "base_momentum": 0.9}
    stored_as: ClassVar[dict[str, str]] = {
        "grid": "mask.grid",
        "sigma": "mask.sigma",
        "amplitude": "mask.amplitude",
        "policy": "given_policy",
    }

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        grid: int = 4,
        sigma: float = 1.0,
        amplitude: float = 1.0,
        decay: float = 0.9,
        base_momentum: float = 0.99,
        policy_weight: float = 1.0,
        policy: keras.Model | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, **kwargs)
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"`decay` must lie in [0, 1). Received: decay={decay}")
        if not 0.0 <= base_momentum <= 1.0:
            raise ValueError(f"`base_momentum` must lie in [0, 1]. Received: base_momentum={base_momentum}")
        if not 0.0 < policy_weight < math.inf:
            raise ValueError(f"`policy_weight` must be positive and finite. Received: policy_weight={policy_weight}")
        self.decay, self.policy_weight = float(decay), float(policy_weight)
        self.base_momentum = float(base_momentum)
        self.mask = NoiseMask(grid, sigma, amplitude)
        outputs = 2 * self.mask.grid**2
        shape = encoder.input_shape
        if not isinstance(shape, tuple) or len(shape) != 4:
            raise ValueError(f"`encoder` must take images [N, H, W, C]. Received: encoder with input shape {shape}")
        self.own_policy = policy is None
        self.policy: keras.Model | None = None
        self.base: Centering | None = None
        if self.mask.amplitude:
            self.policy = default_policy(shape[-1], outputs) if policy is None else policy
            if not isinstance(self.policy, keras.Model) or not self.policy.built:
                raise ValueError(f"`policy` must be a built keras.Model. Received: policy={policy!r}")
            if tuple(self.policy.output_shape) != (None, outputs):
                raise ValueError(
                    f"`policy` must give [N, {outputs}]. Received: policy with output shape {self.policy.output_shape}"
                )
            self.base = Centering(outputs, self.base_momentum, name="base")

    @property
    def given_policy(self) -> keras.Model | None:
        return None if self.own_policy else self.policy

    def default_views(self) -> Callable[..., list[Tensor]]:
        weak = view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.8, 1.0)), view_ops.RandomFlip(0.5)])
        return view_ops.MultiView([weak])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops = keras.ops
        view = self.make_views(batch, step)[0]
        drawn: dict[str, Tensor] = {}
        if step.training and self.policy is not None and self.base is not None:
            proposed = as_float(self.policy(view, training=True))
            cells, log_density = self.draw(proposed, step)
            view = self.mask(view, cells)
            drawn = {"proposed": proposed, "log_density": log_density, "cells": cells}
        features = self.encoder(view, training=step.training)
        return {"features": ops.stop_gradient(features), "logits": self.classify(features), "y": batch["y"], **drawn}

    def draw(self, proposed: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """A grid for every image, and the log density of all of it.

        Args:
            proposed: the policy's outputs, `[n, 2 * grid * grid]`.
            step: of the draws.

        Returns:
            float32 `[n, grid * grid]` without a gradient, and float32 `[n]`.
        """
        ops = keras.ops
        if self.base is None:
            raise ValueError(
                f"Masks are drawn where `amplitude` is positive. Received: amplitude={self.mask.amplitude}"
            )
        logs = self.decay * self.base.center + (1.0 - self.decay) * proposed
        log_alpha, log_beta = ops.split(ops.clip(logs, -_BOUND, _BOUND), 2, axis=1)
        cells = ops.stop_gradient(beta_draws(step.stream(), log_alpha, log_beta))
        return cells, ops.sum(beta_log_density(cells, log_alpha, log_beta), axis=1)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops = keras.ops
        logits, labels = embeddings["logits"], embeddings["y"]
        costs, labeled = label_losses(logits, labels)
        count = ops.maximum(ops.sum(labeled), 1.0)
        supervised = ops.sum(costs) / count
        right = ops.cast(ops.equal(ops.cast(ops.argmax(logits, axis=1), "int32"), ops.cast(labels, "int32")), "float32")
        logs = {"supervised": supervised, "accuracy": ops.sum(right * labeled) / count}
        if "log_density" not in embeddings:
            return supervised, logs
        policy = policy_gradient_loss(costs, embeddings["log_density"], labeled)
        return supervised + self.policy_weight * policy, {**logs, "mask": ops.mean(embeddings["cells"])}

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        if self.base is not None and "proposed" in embeddings:
            self.base.update(embeddings["proposed"], updated)
        return super().after_step(embeddings, updated, step)


def default_policy(channels: int, outputs: int) -> keras.Model:
    """A small network of images to parameters; the last layer starts near zero: uniform masks."""
    layers = keras.layers
    x = images = keras.Input((None, None, channels))
    for width in (8, 16):
        x = layers.Conv2D(width, 3, strides=2, padding="same", activation="silu")(x)
    x = layers.Dense(32, activation="silu")(layers.GlobalAveragePooling2D()(x))
    near_zero = keras.initializers.RandomNormal(stddev=0.01)
    return keras.Model(images, layers.Dense(outputs, kernel_initializer=near_zero)(x), name="policy")

"""The linear probe by stochastic gradient descent, as the papers run it."""

import math

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.linear_probe import probe_data, standardization
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.random import normal_array, permutation
from keras_ssl.typing import Tensor


def linear_probe_sgd(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    learning_rate: float = 0.1,
    epochs: int = 100,
    batch_size: int = 256,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    standardize: bool = True,
    seed: int = 0,
) -> float:
    r"""Accuracy of a linear classifier that is trained by SGD with momentum, on cross-entropy.

    With the gradient g of a batch's mean loss, weights W and velocity v,

    .. math:: v \leftarrow \mu v + g + \lambda W, \qquad W \leftarrow W - \eta_e v, \qquad
        \eta_e = \frac{\eta B}{256} \cdot \frac{1 + \cos(\pi e / E)}{2}

    in epoch e of E with batches of B. Weights start from a normal distribution of standard deviation 0.01, biases from
    0; biases decay like weights, as in PyTorch. Every epoch takes all samples in a new order, a function of `seed` and
    the epoch, the last batch being smaller where B does not divide N.

    Papers differ in learning rate, decay and schedule, and this figure, unlike that of `linear_probe`, depends on
    all of them; give them with it. Unlike in the papers, images are not augmented anew in every epoch, since
    features are given. The loss is convex: with `weight_decay`, long training comes near `linear_probe`.

    Args:
        train_features: `[N, D]`, any floating type; computed in float32 (float64 stays float64).
        train_labels: integers or strings `[N]`. With a single class, that class is the prediction. Samples of -1
            (unlabeled) are left out, here and of the test part.
        test_features: `[M, D]`.
        test_labels: `[M]`. A class that the training set lacks counts as an error.
        learning_rate: `eta`, per 256 samples of a batch. Defaults to 0.1. MoCo has 30, with steps instead of the
            cosine, on features as given; DINO takes the best of several.
        epochs: passes over the training features. Defaults to 100.
        batch_size: Defaults to 256.
        momentum: `mu`, from 0 to below 1. Defaults to 0.9.
        weight_decay: `lambda`. Defaults to 0.
        standardize: whether to bring each dimension to mean 0 and standard deviation 1 on the training set, as MAE does
            by a batch normalization without scale and offset; `False` takes features as given, as MoCo and DINO do.
            Defaults to `True`.
        seed: of the start and the order. Defaults to 0.

    Returns:
        The top-1 accuracy on the test features, 0 to 1.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), a setting is out of
            range, or the training diverges.

    Example:

    >>> linear_probe_sgd([[0.0], [1.0], [4.0], [5.0]], [0, 0, 1, 1], [[0.5], [4.5]], [0, 1], learning_rate=10.0)
    1.0

    Reference:
        He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020; Caron et al.,
        "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021; He et al., "Masked Autoencoders Are
        Scalable Vision Learners", CVPR 2022.
    """
    train, labels, test, truth = probe_data(train_features, train_labels, test_features, test_labels)
    check_positive("learning_rate", learning_rate)
    epochs, batch_size = check_integer("epochs", epochs, 1), check_integer("batch_size", batch_size, 1)
    if not 0 <= momentum < 1:
        raise ValueError(f"`momentum` must be from 0 to below 1. Received: momentum={momentum}")
    check_number("weight_decay", weight_decay, 0.0)
    seed = check_integer("seed", seed, 0)

    classes, numbers = np.unique(labels, return_inverse=True)
    if standardize:
        mean, scale = standardization(train)
        train, test = (train - mean) * scale, (test - mean) * scale
    batch_size = min(batch_size, len(train))
    rates = [learning_rate * batch_size / 256 * (1 + math.cos(math.pi * e / epochs)) / 2 for e in range(epochs)]
    weights = sgd(
        train, np.eye(len(classes), dtype=train.dtype)[numbers], rates, batch_size, momentum, weight_decay, seed
    )
    if not np.isfinite(weights).all():
        raise ValueError(f"Training diverged: `learning_rate` is too high. Received: learning_rate={learning_rate}")
    return float(np.mean(classes[(test @ weights[:-1] + weights[-1]).argmax(axis=1)] == truth))


def sgd(
    features: np.ndarray,
    hot: np.ndarray,
    rates: list[float],
    batch_size: int,
    momentum: float,
    weight_decay: float,
    seed: int,
) -> np.ndarray:
    """The weights after an epoch at each of `rates`, `[D + 1, C]`, in the features' type; the last row is the bias."""
    weights = np.zeros((features.shape[1] + 1, hot.shape[1]), features.dtype)
    weights[:-1] = 0.01 * normal_array(weights[:-1].shape, seed)
    velocity = np.zeros_like(weights)
    for epoch, rate in enumerate(rates):
        order = permutation(len(features), seed, epoch)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            x = features[batch]
            logits = x @ weights[:-1] + weights[-1]
            error = np.exp(logits - logits.max(axis=1, keepdims=True))
            error = (error / error.sum(axis=1, keepdims=True) - hot[batch]) / len(x)
            velocity *= momentum
            velocity[:-1] += x.T @ error
            velocity[-1] += error.sum(axis=0)
            velocity += weight_decay * weights
            weights -= rate * velocity
    return weights

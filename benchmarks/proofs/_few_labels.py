"""What the proofs with few labels share: sklearn's digits of 8 pixels, 40 labels, a small network, fixed steps."""

from functools import cache
from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

LABELS, TEST = 40, 497
EPOCHS = 30


@cache
def small_digits(seed: int, labels: int = LABELS) -> tuple[np.ndarray, ...]:
    """Labeled images and labels, unlabeled images, test images and labels; uint8 `[N, 8, 8, 1]`."""
    from sklearn.datasets import load_digits

    data = load_digits()
    x = np.round(data.images[..., None] * (255 / 16)).astype("uint8")
    y = data.target.astype("int32")
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = order[:TEST], order[TEST:]
    labeled = np.concatenate([train[y[train] == kind][: labels // 10] for kind in range(10)])
    return x[labeled], y[labeled], x[train], x[test], y[test]


def network() -> Any:
    """A convolutional encoder of 8-pixel images."""
    from keras import Input, Model, layers

    from keras_ssl.layers import BatchNormalization

    x = images = Input((8, 8, 1))
    for width, strides in ((16, 1), (32, 2)):
        x = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(BatchNormalization()(x))
    return Model(images, layers.ReLU()(layers.Dense(64)(layers.Flatten()(x))))


def weak_and_strong() -> Any:
    """A weak view (a little crop) and a strong one (a larger crop, contrast, a blur)."""
    from keras_ssl import views

    weak = views.Compose([views.RandomResizedCrop(scale=(0.8, 1.0))])
    jitter = views.ColorJitter(brightness=0.5, contrast=0.5, saturation=0.0, hue=0.0)
    strong = views.Compose([views.RandomResizedCrop(scale=(0.5, 1.0), ratio=(0.6, 1.6)), jitter])
    return views.MultiView([weak, strong])


def two_weak() -> Any:
    """Two weak views, for methods whose teacher sees the second."""
    from keras_ssl import views

    return views.MultiView([views.Compose([views.RandomResizedCrop(scale=(0.8, 1.0))])] * 2)


def trained(name: str, seed: int, epochs: int = EPOCHS, weak: bool = False, **options: Any) -> Any:
    """A model of an objective, trained on batches of 8 labeled and 56 unlabeled images."""
    import keras

    import keras_ssl

    x, y, more, _, _ = small_digits(seed)
    keras.utils.set_random_seed(seed)
    views = two_weak() if weak else weak_and_strong()
    model = getattr(keras_ssl, name)(network(), classes=10, views=views, seed=seed, **options)
    streams = {"labeled": {"x": x, "y": y}, "unlabeled": {"x": more}}
    data = keras_ssl.data.from_streams(streams, (1, 7), batch_size=64, seed=seed)
    steps = epochs * len(data)
    rate = keras_ssl.schedules.WarmupCosine(3e-3, steps, steps // 20)
    model.compile(keras.optimizers.Adam(rate), jit_compile=False)
    model.fit(data, epochs=epochs, verbose=0)
    return model


def accuracy(model: Any, seed: int) -> float:
    """Of the model's predictions for the test images."""
    *_, x, y = small_digits(seed)
    return float((model.predict(x, verbose=0).argmax(axis=1) == y).mean())


def accuracy_of(name: str, seed: int, **options: Any) -> float:
    """Of an objective, after training."""
    return accuracy(trained(name, seed, **options), seed)


def beside_baselines(method: str, seed: int, **options: Any) -> Timed:
    """Accuracies of a method, of labels alone and of PseudoLabel: the same data, steps, views and network."""
    found = Timed()
    found[method] = accuracy_of(method, seed, **options)
    found["labels alone"] = accuracy_of("PseudoLabel", seed, unlabeled_weight=0.0)
    if "PseudoLabel" not in found:
        found["PseudoLabel"] = accuracy_of("PseudoLabel", seed)
    return found

"""Small networks for the tests of merging, and what they compute."""

import keras
import numpy as np

from keras_ssl.encoders import ConvNet, ResNet
from keras_ssl.weights import assign_weights, read_weights

L = keras.layers
X = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype("float32")


def mlp(*widths, norm=None, outputs=3):
    layers = []
    for width in widths:
        layers += [L.Dense(width, "relu"), *([norm()] if norm else [])]
    return keras.Sequential([keras.Input((8, 8, 3)), L.Flatten(), *layers, L.Dense(outputs)])


def flattened(width=6, hidden=7):
    layers = [L.Conv2D(width, 3), L.PReLU(), L.MaxPooling2D(2), L.Flatten(), L.BatchNormalization(), L.Dropout(0.5)]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, L.Dense(hidden, "gelu"), L.Dense(3)])


def residual_mlp(width=6):
    """One whose kernels have the same units on both sides."""
    inputs = keras.Input((8, 8, 3))
    x = L.Dense(width)(L.Flatten()(inputs))
    for _ in range(2):
        x = L.Add()([x, L.Dense(width, "tanh")(x)])
    x = x + L.Dense(width)(x)
    return keras.Model(inputs, L.Dense(2)(keras.ops.multiply(x, x)))


def nested(width=6):
    return keras.Sequential([ConvNet((4, width), (8, 8, 3), pooling=None), L.GlobalAveragePooling2D(), L.Dense(3)])


def shared(width=6):
    """One whose second and third layer are one layer, called twice."""
    inputs = keras.Input((8, 8, 3))
    layer = L.Dense(width, "relu")
    return keras.Model(inputs, L.Dense(2)(layer(layer(L.Dense(width, "relu")(inputs)))))


NETWORKS = {
    "MLP": lambda: mlp(7, 6),
    "normalized MLP": lambda: mlp(7, 6, norm=L.LayerNormalization),
    "ConvNet": lambda: ConvNet((8, 9, 6)),
    "ResNet": lambda: ResNet(18, width=0.0625, stem="cifar"),
    "bottlenecks": lambda: ResNet(50, width=0.0625, stem="cifar"),
    "flattened": flattened,
    "residual MLP": residual_mlp,
    "nested": nested,
    "shared": shared,
}


def drawn(model, seed=0):
    """Random weights of the model, its statistics among them, of which no two units are alike."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, array in read_weights(model).items():
        if name.endswith("kernel"):
            values = rng.normal(size=array.shape) / np.sqrt(np.prod(array.shape[:-1]))
        elif name.endswith(("gamma", "variance")):
            values = rng.uniform(0.5, 1.5, size=array.shape)
        else:
            values = 0.3 * rng.normal(size=array.shape)
        found[name] = values.astype("float32")
    return found


def computed(model, weights, x=X):
    assign_weights(model, weights)
    return keras.ops.convert_to_numpy(model(x, training=False))

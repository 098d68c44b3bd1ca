"""SimCLR's ResNet-50 as its program in TensorFlow 2 saves it, with drawn weights, and NumPy's features of it.

Order, names and arithmetic are written down here once more, from the project's own code.
"""

import numpy as np

from tests.encoders.parity_dino import draw
from tests.encoders.test_resnet import numpy_conv, numpy_pool

BLOCKS = (3, 4, 6, 3)


def layers(width):
    """Convolutions as (kernel, inputs, outputs, stride), in the order in which the program makes them."""
    made, inputs = [(7, 3, width, 2)], width
    for stage, blocks in enumerate(BLOCKS):
        inner = width * 2**stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            made += [(1, inputs, 4 * inner, stride)] if not block else []
            made += [(1, inputs, inner, 1), (3, inner, inner, stride), (1, inner, 4 * inner, 1)]
            inputs = 4 * inner
    return made


def variables(width, first=0, synchronous=True):
    """Drawn variables by the names that they have in the program; numbers begin with `first`."""
    found = {}
    norm = "sync_batch_normalization" if synchronous else "batch_normalization"
    for number, (kernel, inputs, outputs, _) in enumerate(layers(width), start=first):
        end = f"_{number}" if number else ""
        shapes = {f"resnet/conv2d_fixed_padding{end}/conv2d{end}/kernel": (kernel, kernel, inputs, outputs)}
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"resnet/batch_norm_relu{end}/{norm}{end}/{name}"] = (outputs,)
        found |= {name: draw(name, shape) for name, shape in shapes.items()}
    for name in found:
        if name.endswith(("gamma", "moving_variance")):
            found[name] = np.abs(found[name]) + 0.5
    return found | {"head_supervised/linear_layer/dense/kernel": np.ones((3, 2), "float32")}


def save(folder, named):
    """Writes a SavedModel, in which places in a list are the keys and names are told by the graph of objects."""
    import tensorflow as tf

    module, inner = tf.Module(), tf.Module()
    inner.held = [tf.Variable(array, name=name) for name, array in named.items()]
    inner.step = tf.Variable(0, dtype="int64", name="global_step")
    module.model = inner
    tf.saved_model.save(module, str(folder))


def simclr_features(named, width, images):
    """The features of images `[N, H, W, C]`."""
    made = layers(width)
    kernels = [array.astype("float64") for name, array in named.items() if "conv2d" in name]
    norms = [array.astype("float64") for name, array in named.items() if "batch_norm" in name]
    place = iter(range(len(made)))

    def conv_bn(x):
        number = next(place)
        gamma, beta, mean, variance = norms[4 * number : 4 * number + 4]
        x = numpy_conv(x, kernels[number], made[number][3])
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    x = np.maximum(conv_bn(images.astype("float64")), 0.0)
    x = numpy_pool(x, [side % 2 for side in x.shape[1:3]])
    for blocks in BLOCKS:
        for block in range(blocks):
            shortcut = conv_bn(x) if not block else x
            y = np.maximum(conv_bn(x), 0.0)
            y = np.maximum(conv_bn(y), 0.0)
            x = np.maximum(conv_bn(y) + shortcut, 0.0)
    return x.mean((1, 2))

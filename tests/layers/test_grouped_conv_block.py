"""Convolutions of groups: a slow reference, groups that do not mix, bad input."""

import keras
import numpy as np
import pytest

from keras_ssl.layers.grouped_conv_block import GroupedConvBlock
from tests.objectives.reference import draws


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def made(filters=4, groups=2, width=4, kernel_size=3):
    block = GroupedConvBlock(filters, kernel_size, groups)
    block.build((None, None, None, width))
    for number, weight in enumerate(block.weights):
        weight.assign(draws(*weight.shape, seed=number))
    return block


def slow(block, x):
    """Place by place and channel by channel."""
    kernel, bias, reach = numbers(block.kernel), numbers(block.bias), block.kernel_size // 2
    count, height, width, channels = x.shape
    before, after = channels // block.groups, block.filters // block.groups
    found = np.zeros((count, height, width, block.filters))
    for n, i, j, f in np.ndindex(*found.shape):
        group, total = f // after, bias[f]
        for tap in range(block.kernel_size**2):
            row, column = i + tap // block.kernel_size - reach, j + tap % block.kernel_size - reach
            if 0 <= row < height and 0 <= column < width:
                part = x[n, row, column, group * before : (group + 1) * before].astype("float64")
                total += part @ kernel[tap, group, :, f % after]
        found[n, i, j, f] = total
    found = (found - found.mean(axis=-1, keepdims=True)) / np.sqrt(found.var(axis=-1, keepdims=True) + 1e-5)
    found = numbers(keras.activations.gelu(keras.ops.convert_to_tensor(found, "float32"), approximate=False))
    return found + x if channels == block.filters else found


@pytest.mark.parametrize(
    ("filters", "groups", "width", "size"), [(4, 2, 4, 3), (6, 1, 4, 3), (6, 2, 4, 1), (4, 4, 8, 5)]
)
def test_equals_the_reference(filters, groups, width, size):
    block, x = made(filters, groups, width, size), draws(2, 3, 4, width)
    np.testing.assert_allclose(numbers(block(x)), slow(block, x), atol=2e-3)


def test_config_comes_back():
    block = GroupedConvBlock(6, 5, 3, name="a")
    assert GroupedConvBlock.from_config(block.get_config()).get_config() == block.get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, "filters=0"),
        ({"filters": 4, "kernel_size": 2}, "kernel_size=2"),
        ({"filters": 4, "groups": 3}, "groups=3"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        GroupedConvBlock(**options)


def test_refuses_groups_that_do_not_divide_the_input():
    with pytest.raises(ValueError, match="must divide the width, 5. Received: groups=2"):
        made(width=5)

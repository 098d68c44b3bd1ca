import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet, ResNet, ViT
from keras_ssl.merging import grow_depth
from keras_ssl.weights import assign_weights, read_weights
from tests.merging.networks import computed, drawn, mlp


def vit(depth):
    return ViT("Ti", patch_size=4, image_size=8, width=16, depth=depth, heads=2)


def moved(name, blocks):
    """Where a weight of the large model comes from."""
    for text, of in blocks.items():
        if name.startswith((f"{text}_", f"{text}/")):
            return of + name[len(text) :]
    return name


@pytest.mark.parametrize(
    ("order", "sources"), [("stack", [1, 2, 3, 1, 2, 3, 1, 2]), ("interleave", [1, 1, 1, 2, 2, 2, 3, 3])]
)
def test_blocks_of_a_transformer(order, sources):
    small, large = vit(3), vit(8)
    assign_weights(small, drawn(small))
    found = grow_depth(small, large, order)
    assert found == {f"block{place}": f"block{of}" for place, of in enumerate(sources, start=1)}
    values = read_weights(small)
    for name, array in read_weights(large).items():
        np.testing.assert_array_equal(array, values[moved(name, found)])


def test_stages_of_a_residual_network_keep_their_first_blocks():
    small, large = (ResNet(depth, width=0.0625, stem="cifar") for depth in (18, 34))
    assign_weights(small, drawn(small))
    found = grow_depth(small, large)
    blocks = {1: [1, 2, 1], 2: [1, 2, 2, 2], 3: [1, 2, 2, 2, 2, 2], 4: [1, 2, 2]}  # those of stage 1 are all alike
    assert found == {
        f"stage{stage}_block{place}": f"stage{stage}_block{of}"
        for stage, all_of in blocks.items()
        if len(all_of) > 2
        for place, of in enumerate(all_of, start=1)
    }
    values = read_weights(small)
    for name, array in read_weights(large).items():
        np.testing.assert_array_equal(array, values[moved(name, found)])


def test_numbered_layers():
    small, large = mlp(6, 6, 6, outputs=2), mlp(6, 6, 6, 6, 6, 6, outputs=2)
    a = drawn(small)
    assign_weights(small, a)
    found = grow_depth(small, large)
    assert found == {
        **{f"dense_{place}": f"dense_{of}" for place, of in enumerate([0, 1, 2, 1, 2, 1])},
        "dense_6": "dense_3",
    }
    np.testing.assert_array_equal(read_weights(large)["dense_6/kernel"], a["dense_3/kernel"])
    np.testing.assert_array_equal(read_weights(large)["dense_4/bias"], a["dense_2/bias"])


def test_the_same_depth_is_the_identity():
    small, large = ConvNet((4, 4, 5)), ConvNet((4, 4, 5))
    expected = computed(small, drawn(small))
    for order in ("stack", "interleave"):
        assert grow_depth(small, large, order) == {}
        np.testing.assert_array_equal(computed(large, read_weights(large)), expected)


def test_ten_blocks_are_counted_as_numbers():
    small, large = ConvNet((4,) * 10), ConvNet((4,) * 12)
    found = grow_depth(small, large)
    assert [found[f"block{place}"] for place in (10, 11, 12)] == ["block10", "block2", "block3"]


def test_blocks_whose_names_have_zeros():
    def made(count):
        layers = [keras.layers.Dense(2, name=f"block{place:02}") for place in range(1, count + 1)]
        return keras.Sequential([keras.Input((2,)), *layers])

    assert grow_depth(made(1), made(3)) == {f"block0{place}": "block01" for place in (1, 2, 3)}


class TestRefuses:
    @pytest.mark.parametrize(
        ("small", "large", "message"),
        [
            (lambda: vit(3), lambda: vit(2), "large=.*; left over in `small`: block3"),
            (
                lambda: ConvNet((4, 4)),
                lambda: ConvNet((4, 4, 5)),
                "nothing in `small` has the shapes of: block3$",
            ),
            (
                lambda: ResNet(18, width=0.0625),
                lambda: ResNet(50, width=0.0625),
                "nothing in `small` has the shapes of: .*stage1_block1",
            ),
            (lambda: ConvNet((4, 4)), lambda: ConvNet((5, 5)), "block1_conv/kernel"),
        ],
    )
    def test_models_that_do_not_fit(self, small, large, message):
        small, large = small(), large()
        before = read_weights(large)
        with pytest.raises(ValueError, match=f"`large` must have the blocks of `small`, and more.*{message}"):
            grow_depth(small, large)
        for name, array in read_weights(large).items():
            np.testing.assert_array_equal(array, before[name])

    def test_order(self):
        with pytest.raises(ValueError, match="`order` must be one of stack, interleave. Received: order='reverse'"):
            grow_depth(vit(2), vit(3), "reverse")

import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet, ResNet, ViT
from keras_ssl.merging import grow_width
from keras_ssl.weights import assign_weights, read_weights
from tests.merging.networks import L, X, computed, drawn, flattened, mlp, nested, residual_mlp, shared

PAIRS = {
    "MLP": lambda: (mlp(7, 5), mlp(16, 9)),
    "one layer wider": lambda: (mlp(7, 5), mlp(7, 6)),
    "normalized MLP": lambda: (mlp(5, 6, norm=L.LayerNormalization), mlp(15, 12, norm=L.LayerNormalization)),
    "root mean squares": lambda: (mlp(5, norm=L.RMSNormalization), mlp(10, norm=L.RMSNormalization)),
    "ConvNet": lambda: (ConvNet((5, 7, 6)), ConvNet((8, 15, 6))),
    "ResNet": lambda: tuple(head_of(ResNet(18, width=w, stem="cifar")) for w in (0.0625, 0.109375)),
    "bottlenecks": lambda: tuple(head_of(ResNet(50, width=w, stem="cifar")) for w in (0.03125, 0.0625)),
    "flattened": lambda: (flattened(6, 7), flattened(11, 12)),
    "residual MLP": lambda: (residual_mlp(6), residual_mlp(9)),
    "nested": lambda: (nested(6), nested(9)),
    "shared": lambda: (shared(5), shared(9)),
}


def head_of(encoder):
    return keras.Sequential([encoder, L.Dense(3)])


@pytest.mark.parametrize("name", PAIRS)
def test_a_wider_network_computes_the_same(name):
    small, large = PAIRS[name]()
    expected = computed(small, drawn(small))
    for seed in range(2):
        mappings = grow_width(small, large, seed=seed)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(large(X)), expected, rtol=1e-4, atol=1e-4)
    for mapping in mappings.values():
        size = mapping.max() + 1
        np.testing.assert_array_equal(mapping[:size], np.arange(size))
        if name in ("normalized MLP", "root mean squares") and size > 3:  # the outputs are 3
            assert np.bincount(mapping).tolist() == [len(mapping) // size] * size


def test_weights_are_those_of_the_formula():
    small, large = mlp(4, 3), mlp(6, 5)
    a = drawn(small)
    assign_weights(small, a)
    mappings = grow_width(small, large, seed=3)
    g, h = mappings["dense_0"], mappings["dense_1"]
    assert len(g) == 6 and len(h) == 5 and len(mappings["dense_2"]) == 3
    found = read_weights(large)
    np.testing.assert_array_equal(found["dense_0/kernel"], a["dense_0/kernel"][:, g])
    np.testing.assert_array_equal(found["dense_0/bias"], a["dense_0/bias"][g])
    expected = [[a["dense_1/kernel"][j, k] / np.sum(g == j) for k in h] for j in g]
    np.testing.assert_allclose(found["dense_1/kernel"], expected, rtol=1e-6)
    expected = [[a["dense_2/kernel"][j, k] / np.sum(h == j) for k in range(3)] for j in h]
    np.testing.assert_allclose(found["dense_2/kernel"], expected, rtol=1e-6)
    np.testing.assert_array_equal(found["dense_2/bias"], a["dense_2/bias"])


@pytest.mark.parametrize("method", ["fpi", "aki"])
def test_the_same_width_is_the_identity(method):
    small, large = ConvNet((4, 4)), ConvNet((4, 4))
    assign_weights(small, drawn(small))
    mappings = grow_width(small, large, method)
    for mapping in mappings.values():
        np.testing.assert_array_equal(mapping, np.arange(4))
    for name, array in read_weights(small).items():
        np.testing.assert_array_equal(read_weights(large)[name], array)


def test_seeds_draw_other_copies():
    small, large = mlp(5), mlp(12)
    found = [grow_width(small, large, seed=seed)["dense_0"].tolist() for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_wider_features_are_copies():
    small, large = ConvNet((4, 5)), ConvNet((6, 9))
    expected = computed(small, drawn(small))
    mapping = grow_width(small, large)["block2_conv"]
    assert len(mapping) == 9
    np.testing.assert_allclose(keras.ops.convert_to_numpy(large(X)), expected[:, mapping], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["fpi", "aki"])
def test_copies_that_are_alike_stay_so_in_training(method):
    small, large = mlp(4, 4, 4), mlp(9, 9, 9)
    assign_weights(small, drawn(small))
    mappings = grow_width(small, large, method)
    large.compile(keras.optimizers.Adam(0.01), "mse")
    before = read_weights(large)
    large.train_on_batch(X, np.ones((5, 3), "float32"))
    after = read_weights(large)
    for layer in range(2):
        kernel, mapping = after[f"dense_{layer}/kernel"], mappings[f"dense_{layer}"]
        assert not np.allclose(kernel, before[f"dense_{layer}/kernel"])
        alike = np.allclose(kernel, kernel[:, mapping], atol=1e-4)
        assert alike == (method == "fpi")


class TestAdvanced:
    def test_new_units_are_those_of_the_layer_above(self):
        small, large = mlp(4, 4, 4), mlp(6, 6, 6)
        a = drawn(small)
        expected = computed(small, a)
        mappings = grow_width(small, large, "aki", seed=1)
        g = [mappings[f"dense_{layer}"] for layer in range(3)]
        found = read_weights(large)

        def read(layer):  # in-axis grown
            return np.stack([a[f"dense_{layer}/kernel"][j] / np.sum(g[layer - 1] == j) for j in g[layer - 1]])

        np.testing.assert_array_equal(found["dense_0/kernel"], a["dense_0/kernel"][:, g[0]])  # no layer like it
        np.testing.assert_allclose(found["dense_1/kernel"][:, :4], read(1), rtol=1e-6)
        np.testing.assert_allclose(found["dense_1/kernel"][:, 4:], read(2)[:, g[1][4:]], rtol=1e-6)
        np.testing.assert_array_equal(found["dense_1/bias"][:4], a["dense_1/bias"])
        np.testing.assert_array_equal(found["dense_1/bias"][4:], a["dense_2/bias"][g[1][4:]])
        np.testing.assert_allclose(found["dense_2/kernel"], read(2)[:, g[2]], rtol=1e-6)  # the last of its kind
        assert np.abs(keras.ops.convert_to_numpy(large(X)) - expected).max() > 1e-2
        assert not np.allclose(found["dense_1/kernel"][:, 4:], found["dense_1/kernel"][:, g[1][4:]])

    def test_normalization_goes_along(self):
        small, large = ConvNet((4, 4, 4)), ConvNet((7, 7, 7))
        a = drawn(small)
        assign_weights(small, a)
        mapping = grow_width(small, large, "aki")["block2_conv"]
        found = read_weights(large)
        for kind in ("gamma", "beta", "moving_mean", "moving_variance"):
            old, above = a[f"block2_bn/{kind}"], a[f"block3_bn/{kind}"]
            np.testing.assert_array_equal(found[f"block2_bn/{kind}"], [*old, *above[mapping[4:]]])

    def test_without_a_layer_of_the_same_shapes_it_is_the_same(self):
        small, large = ConvNet((4, 5, 6)), ConvNet((7, 8, 9))
        grow_width(small, large, "aki", seed=2)
        advanced = read_weights(large)
        grow_width(small, large, seed=2)
        for name, array in read_weights(large).items():
            np.testing.assert_array_equal(advanced[name], array)

    def test_blocks_of_a_residual_network(self):
        small, large = (ResNet(18, width=w, stem="cifar") for w in (0.0625, 0.125))
        a = drawn(small)
        assign_weights(small, a)
        mapping = grow_width(small, large, "aki")["stage1_block1_conv1"]
        found = read_weights(large)["stage1_block1_bn1/gamma"]
        np.testing.assert_array_equal(found[4:], a["stage1_block1_bn2/gamma"][mapping[4:]])


class TestRefuses:
    @pytest.mark.parametrize(
        ("small", "large", "message"),
        [
            (lambda: mlp(5), lambda: mlp(4), "at least as wide as `small`. Received: 4 units of dense_0 instead of 5"),
            (lambda: mlp(5), lambda: mlp(5, 5), "made as `small` is, .*not in both: dense_2/bias, dense_2/kernel"),
            (
                lambda: mlp(5, norm=L.LayerNormalization),
                lambda: mlp(7, norm=L.LayerNormalization),
                "multiple of the units of `small` .*7 units of dense_0 instead of 5; normalized by layer_norm",
            ),
            (
                lambda: ConvNet((4,), (None, None, 1)),
                lambda: ConvNet((4,)),
                "where their order is fixed. Received: 3 units of the inputs instead of 1; fixed by the inputs",
            ),
            (
                lambda: keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(2, 3), L.Conv2D(2, 3)]),
                lambda: keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(2, 3), L.Conv2D(2, 1)]),
                r"conv2d_1/kernel \(1, 1, 2, 2\) instead of \(3, 3, 2, 2\)",
            ),
            (
                lambda: keras.Sequential([keras.Input((2, 3)), L.Dense(2), L.Flatten(), L.Dense(2)]),
                lambda: keras.Sequential([keras.Input((4, 3)), L.Dense(2), L.Flatten(), L.Dense(2)]),
                "made as `small` is, but for widths. .*not in both: dense_0",
            ),
        ],
    )
    def test_models_that_do_not_fit(self, small, large, message):
        small, large = small(), large()
        before = read_weights(large)
        with pytest.raises(ValueError, match=f"`large` .*{message}"):
            grow_width(small, large)
        for name, array in read_weights(large).items():
            np.testing.assert_array_equal(array, before[name])

    def test_options(self):
        small, large = mlp(4), mlp(5)
        with pytest.raises(ValueError, match="`method` must be one of fpi, aki. Received: method='net2net'"):
            grow_width(small, large, "net2net")
        with pytest.raises(ValueError, match="`seed` must be an integer of at least 0"):
            grow_width(small, large, seed=-1)

    def test_a_vision_transformer(self):
        model = ViT("Ti", patch_size=4, image_size=8, width=16, depth=2, heads=2)
        with pytest.raises(ValueError, match="`model` must have weights in these layers only"):
            grow_width(model, model)

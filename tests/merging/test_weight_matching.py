import itertools

import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet, ResNet, ViT
from keras_ssl.merging import loss_barrier, merge_encoders, permute_weights, weight_matching
from keras_ssl.merging.unit_groups import unit_structure
from keras_ssl.weights import combine_weights, read_weights
from tests.merging.networks import NETWORKS, L, X, computed, drawn, mlp


@pytest.fixture(params=NETWORKS)
def model(request):
    return NETWORKS[request.param]()


def shuffled(model, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.permutation(group.size) for name, group in unit_structure(model).free().items()}


def distance(a, b):
    return sum(np.sum((a[name] - b[name]) ** 2) for name in a if "moving" not in name)


def test_a_permuted_network_is_the_same_function_and_its_order_is_found(model):
    a, orders = drawn(model), shuffled(model)
    b = permute_weights(model, a, orders)
    assert distance(a, b) > 1
    np.testing.assert_allclose(computed(model, b), computed(model, a), rtol=1e-5, atol=1e-5)
    found = weight_matching(model, a, b)
    assert found.keys() == orders.keys()
    for name, order in orders.items():
        np.testing.assert_array_equal(found[name], np.argsort(order))
    back = permute_weights(model, b, found)
    for name, array in a.items():
        np.testing.assert_array_equal(back[name], array)


def test_deep_copies_are_found_from_the_inputs_on():
    model = mlp(8, 8, 8, 8, 8, 8)
    for seed in range(12):
        a, orders = drawn(model, seed), shuffled(model, seed)
        found = weight_matching(model, a, permute_weights(model, a, orders), seed)
        for name, order in orders.items():
            np.testing.assert_array_equal(found[name], np.argsort(order))


def test_a_permutation_keeps_singular_values(model):
    a = drawn(model)
    b = permute_weights(model, a, shuffled(model))
    for name, array in a.items():
        if name.endswith("kernel"):
            before, after = (np.linalg.svd(w.reshape(-1, w.shape[-1]), compute_uv=False) for w in (array, b[name]))
            np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


def test_other_networks_come_no_farther_and_equal_ones_stay(model):
    a, b = drawn(model, 1), drawn(model, 2)
    for seed in range(2):
        found = weight_matching(model, a, b, seed)
        assert distance(a, permute_weights(model, b, found)) < distance(a, b)
    once = weight_matching(model, a, b, seed, max_sweeps=1)
    farther = distance(a, permute_weights(model, b, once))
    assert distance(a, permute_weights(model, b, found)) <= farther * (1 + 1e-6) < distance(a, b)
    for order in weight_matching(model, a, a).values():
        np.testing.assert_array_equal(order, np.arange(len(order)))


def test_one_layer_is_matched_as_by_trying_all_orders():
    model = mlp(5)
    a, b = drawn(model, 1), drawn(model, 2)

    def squared(order):
        order = list(order)
        return sum(
            np.sum((a[f"dense_{layer}/{kind}"] - moved) ** 2)
            for layer, kind, moved in (
                (0, "kernel", b["dense_0/kernel"][:, order]),
                (0, "bias", b["dense_0/bias"][order]),
                (1, "kernel", b["dense_1/kernel"][order]),
            )
        )

    best = min(itertools.permutations(range(5)), key=squared)
    np.testing.assert_array_equal(weight_matching(model, a, b)["dense_0"], best)


def test_a_flattened_map_is_permuted_at_every_place():
    model = keras.Sequential([keras.Input((2, 2, 1)), L.Conv2D(3, 1), L.Flatten(), L.Dense(2)])
    a, order = drawn(model), [2, 0, 1]
    b = permute_weights(model, a, {"conv2d_0": order})
    expected = a["dense_0/kernel"].reshape(4, 3, 2)[:, order].reshape(12, 2)
    np.testing.assert_array_equal(b["dense_0/kernel"], expected)
    np.testing.assert_array_equal(b["conv2d_0/kernel"], a["conv2d_0/kernel"][..., order])


def test_batch_norms_go_along():
    model = ConvNet((4, 8))
    a, order = drawn(model), [2, 0, 3, 1]
    b = permute_weights(model, a, {"block1_conv": np.array(order)})
    for kind in ("gamma", "beta", "moving_mean", "moving_variance"):
        np.testing.assert_array_equal(b[f"block1_bn/{kind}"], a[f"block1_bn/{kind}"][order])
    np.testing.assert_array_equal(b["block2_conv/kernel"], a["block2_conv/kernel"][:, :, order])
    np.testing.assert_array_equal(b["block2_bn/beta"], a["block2_bn/beta"])


def test_groups_of_a_residual_network():
    groups = unit_structure(ResNet(18, width=0.0625, stem="cifar")).groups
    found = {group.name: group for group in groups}
    assert list(found)[:3] == ["the inputs", "stem_conv", "stage1_block1_conv1"]
    makers = [axis.weight for axis in found["stem_conv"].axes if axis.weight.endswith("kernel") and axis.role == "out"]
    assert makers == [f"{name}/kernel" for name in ("stem_conv", "stage1_block1_conv2", "stage1_block2_conv2")]
    assert [group.name for group in groups if group.shown] == ["stage4_block1_shortcut_conv"]


@pytest.mark.parametrize("between", [L.Reshape((4,)), L.Softmax(), L.Activation("softmax"), L.UnitNormalization()])
def test_units_that_another_layer_may_tell_apart_stay(between):
    model = keras.Sequential([keras.Input((2,)), L.Dense(5), L.Dense(4), between, L.Dense(3)])
    assert list(unit_structure(model).free()) == ["dense_0"]


def test_units_side_by_side_stay():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, L.Dense(1)(L.Concatenate()([L.Dense(3)(inputs), L.Dense(4)(inputs)])))
    assert unit_structure(model).free() == {}
    assert weight_matching(model, drawn(model, 1), drawn(model, 2)) == {}


def test_an_activation_over_units_in_a_layer_fixes_them():
    model = keras.Sequential([keras.Input((2,)), L.Dense(5, "softmax"), L.Dense(4, lambda x: x * x), L.Dense(3)])
    assert list(unit_structure(model).free()) == ["dense_1"]


class TestMerging:
    def test_a_network_and_its_permuted_copy_have_no_barrier(self):
        model = ConvNet((6, 7, 5))
        a = drawn(model)
        b = permute_weights(model, a, shuffled(model))
        target = computed(model, a)

        def loss(weights):
            return float(np.mean((computed(model, weights) - target) ** 2))

        assert loss_barrier(loss, a, b, points=5).value > 1e-2
        matched = permute_weights(model, b, weight_matching(model, a, b))
        assert loss_barrier(loss, a, matched, points=5).value < 1e-10
        merge_encoders(model, a, b)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(model(X)), target, rtol=1e-5, atol=1e-5)

    def test_the_share_is_that_of_a(self):
        model = mlp(5)
        a, b = drawn(model, 1), drawn(model, 2)
        found = merge_encoders(model, a, b, share=0.75)
        expected = combine_weights([a, permute_weights(model, b, found)], [0.75, 0.25])
        for name, array in read_weights(model).items():
            np.testing.assert_array_equal(array, expected[name])

    def test_statistics_are_measured_on_inputs(self):
        model = ConvNet((4, 5))
        merge_encoders(model, drawn(model, 1), drawn(model, 2), inputs=X)
        inference = keras.ops.convert_to_numpy(model(X, training=False))
        training = keras.ops.convert_to_numpy(model(X, training=True))
        np.testing.assert_allclose(inference, training, rtol=1e-4, atol=1e-5)

    def test_refuses(self):
        model = mlp(5)
        with pytest.raises(ValueError, match=r"`share` must lie in \[0, 1\]. Received: share=2"):
            merge_encoders(model, drawn(model), drawn(model), share=2)


class TestRefuses:
    def test_a_vision_transformer(self):
        model = ViT("Ti", patch_size=4, image_size=8, width=16, depth=2, heads=2)
        weights = read_weights(model)
        with pytest.raises(ValueError, match="`model` must have weights in these layers only: Dense, .* layer tokens"):
            weight_matching(model, weights, weights)

    @pytest.mark.parametrize(
        "layer",
        [L.SeparableConv2D(4, 1), L.Conv2D(4, 1, groups=2), L.GroupNormalization(2), L.BatchNormalization(axis=1)],
    )
    def test_layers_of_whose_units_nothing_is_known(self, layer):
        model = keras.Sequential([keras.Input((4, 4, 4)), L.Dense(4), layer, L.Dense(2)])
        with pytest.raises(ValueError, match=rf"layer {layer.name} \({type(layer).__name__}\)"):
            unit_structure(model)

    def test_a_subclass(self):
        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.layer = L.Dense(1)

            def call(self, x):
                return self.layer(x)

        model = Own()
        model(np.ones((1, 2)))
        with pytest.raises(ValueError, match="`model` must be a built Functional or Sequential model.*model=Own"):
            unit_structure(model)
        with pytest.raises(ValueError, match="`model` must be a built Functional"):
            unit_structure(keras.Sequential([L.Dense(1)]))

    def test_weights_outside_the_graph(self):
        model = mlp(3)
        functional = keras.Model(model.inputs, model.outputs)
        functional.more = L.Dense(2)
        functional.more.build((None, 2))
        with pytest.raises(ValueError, match="`model` must reach its weights by its graph.*weights outside: .*kernel"):
            unit_structure(functional)

    def test_weights_of_another_model(self):
        model = mlp(3)
        a = drawn(model)
        b = {name: array for name, array in a.items() if name != "dense_0/bias"}
        with pytest.raises(ValueError, match="`weights_b` must be weights of the model.*missing: dense_0/bias"):
            weight_matching(model, a, b)
        with pytest.raises(ValueError, match="`weights_a` must be weights"):
            weight_matching(model, b, a)
        with pytest.raises(ValueError, match="`weights` must be weights"):
            permute_weights(model, b, {})

    @pytest.mark.parametrize(
        ("permutations", "message"),
        [
            ({"dense_1": [0, 1, 2]}, "must be of groups of the model: dense_0. Received: group 'dense_1'"),
            ({"dense_0": [0, 1]}, "must hold each of 3 units of dense_0 once"),
            ({"dense_0": [0, 1, 1]}, "must hold each of 3 units of dense_0 once"),
            ({"dense_0": [[0, 1, 2]]}, r"Received: permutations\['dense_0'\]=array"),
        ],
    )
    def test_permutations(self, permutations, message):
        model = mlp(3)
        with pytest.raises(ValueError, match=message):
            permute_weights(model, drawn(model), permutations)

    @pytest.mark.parametrize(("options", "message"), [({"seed": -1}, "`seed`"), ({"max_sweeps": 0}, "`max_sweeps`")])
    def test_numbers(self, options, message):
        model = mlp(3)
        with pytest.raises(ValueError, match=message):
            weight_matching(model, drawn(model), drawn(model), **options)


@pytest.mark.parametrize("inputs", [np.zeros((1, 8, 8, 3)), np.zeros((4, 9)), "text", np.full((4, 8, 8, 3), np.nan)])
def test_a_merge_whose_statistics_cannot_be_measured_changes_nothing(inputs):
    model = ConvNet((4, 6))
    before = read_weights(model)
    with pytest.raises(ValueError, match="^`inputs` must .*Received: "):
        merge_encoders(model, drawn(model, 1), drawn(model, 2), inputs=inputs)
    for name, array in read_weights(model).items():
        np.testing.assert_array_equal(array, before[name])


def test_what_is_no_weights_or_permutations_is_named():
    model = mlp(4, 3)
    weights = drawn(model)
    infinite = {name: array + np.inf for name, array in weights.items()}
    for given in (None, model, infinite):
        with pytest.raises(ValueError, match="^`weights_b` must .*Received: "):
            weight_matching(model, weights, given)
    for orders in (None, [[0, 1]], {"dense_0": [0.0, 1.0, 2.0, 3.0]}, {"dense_0": [[0], [1, 2, 3]]}):
        with pytest.raises(ValueError, match="^`permutations` must .*Received: "):
            permute_weights(model, weights, orders)

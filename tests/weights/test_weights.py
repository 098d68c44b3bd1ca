import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet, ResNet, ViT
from keras_ssl.weights import (
    assign_weights,
    combine_weights,
    named_weights,
    read_weights,
    recalibrate_batch_norm,
    weight_groups,
)

MAKERS = {
    "ConvNet": lambda: ConvNet((4, 8)),
    "ResNet": lambda: ResNet(18, width=0.0625, stem="cifar"),
    "ViT": lambda: ViT("Ti", patch_size=4, image_size=8, width=16, depth=2, heads=2),
}


def two(name):
    keras.utils.set_random_seed(3)
    return MAKERS[name](), MAKERS[name]()


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x))


X = np.random.default_rng(0).uniform(size=(3, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("name", MAKERS)
def test_read_and_assigned_weights_make_the_same_model(name):
    a, b = two(name)
    values = read_weights(a)
    assert list(values) == list(named_weights(a))
    before = outputs(a, X)
    assign_weights(b, values)
    np.testing.assert_array_equal(outputs(b, X), before)
    for array in values.values():  # of their own memory
        array += 1
    np.testing.assert_array_equal(outputs(a, X), before)


def test_a_part_may_be_assigned():
    a, b = two("ConvNet")
    values, old = read_weights(a), read_weights(b)
    assign_weights(b, {"block1_conv/kernel": values["block1_conv/kernel"]}, partial=True)
    for name, array in read_weights(b).items():
        np.testing.assert_array_equal(array, (values if name == "block1_conv/kernel" else old)[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("block1_bn/beta"), "missing: block1_bn/beta"),
        (lambda v: v.update(more=np.zeros(1)), "not of the model: more"),
        (
            lambda v: v.update({"block1_bn/beta": np.zeros(5)}),
            r"of another shape: block1_bn/beta \(5,\) instead of \(4,\)",
        ),
        (lambda v: v.update({"block1_bn/beta": np.zeros(4, "int32")}), "of another type: block1_bn/beta int32"),
        (lambda v: v.update({"block1_bn/beta": np.full(4, np.nan)}), "with NaN: block1_bn/beta"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(change, message):
    a, _ = two("ConvNet")
    before = read_weights(a)
    values = {name: array + 1 for name, array in before.items()}
    change(values)
    with pytest.raises(ValueError, match=f"`values` must be weights of the model. Received: .*{message}"):
        assign_weights(a, values)
    for name, array in read_weights(a).items():
        np.testing.assert_array_equal(array, before[name])


def test_an_unknown_name_of_a_part_is_refused():
    with pytest.raises(ValueError, match="not of the model: more"):
        assign_weights(two("ConvNet")[0], {"more": np.zeros(1)}, partial=True)


def test_sums_are_those_of_numpy_and_keep_the_type():
    rng = np.random.default_rng(0)
    sets = [{"a": rng.normal(size=(2, 3)).astype("float32"), "n": np.array([k])} for k in range(3)]
    found = combine_weights(sets, [0.5, -2.0, 1.0])
    expected = 0.5 * sets[0]["a"].astype("float64") - 2 * sets[1]["a"] + sets[2]["a"]
    np.testing.assert_allclose(found["a"], expected, rtol=1e-6)
    assert found["a"].dtype == "float32" and found["n"].tolist() == [0]
    np.testing.assert_allclose(combine_weights(sets)["a"], np.mean([s["a"] for s in sets], axis=0), rtol=1e-6)
    np.testing.assert_array_equal(combine_weights(sets, [0, 1, 0])["a"], sets[1]["a"])


def test_a_rule_sees_name_and_arrays():
    seen = []
    sets = [{"a": np.ones(2), "n": np.array(1)}, {"a": np.full(2, 4.0), "n": np.array(2)}]
    found = combine_weights(sets, lambda name, arrays: seen.append(name) or np.sqrt(arrays[0] * arrays[1]))
    assert seen == ["a"] and found["a"].tolist() == [2.0, 2.0] and found["n"] == 1


@pytest.mark.parametrize(
    ("sets", "rule", "message"),
    [
        ([], None, "`sets` must be a list of sets of weights"),
        ({"a": np.ones(1)}, None, "`sets` must be a list.*Received: sets=dict"),
        ([{"a": np.ones(1)}, {"b": np.ones(1)}], None, r"sets\[1\] beside sets\[0\]; missing: a; too many: b"),
        ([{"a": np.ones(1)}, {"a": np.ones(2)}], None, r"of another shape: a \(2,\) instead of \(1,\)"),
        ([{"a": np.ones(1)}], [1.0, 2.0], "`rule` must hold a finite number for each of 1 sets"),
        ([{"a": np.ones(1)}], [np.nan], "`rule` must hold a finite number"),
        ([{"a": np.ones(1)}], lambda name, arrays: np.ones(3), r"`rule` must keep shapes. Received: a \(3,\)"),
    ],
)
def test_combine_refuses(sets, rule, message):
    with pytest.raises(ValueError, match=message):
        combine_weights(sets, rule)


def test_groups():
    names = list(named_weights(two("ConvNet")[0]))
    assert weight_groups(names, "model") == {"": names}
    assert weight_groups(names, "tensor") == {name: [name] for name in names}
    assert weight_groups(names)["block1_conv"] == ["block1_conv/kernel"]
    assert sum(weight_groups(names).values(), []) == names
    with pytest.raises(ValueError, match="`by` must be one of model, layer, tensor. Received: by='block'"):
        weight_groups(names, "block")


class TestRecalibration:
    def test_statistics_of_the_whole_data_make_inference_equal_training(self):
        model, _ = two("ConvNet")
        rng = np.random.default_rng(0)
        assign_weights(model, {name: rng.uniform(0.5, 1.5, w.shape) for name, w in read_weights(model).items()})
        expected = keras.ops.convert_to_numpy(model(X, training=True))
        kept = read_weights(model)
        assert recalibrate_batch_norm(model, X) == 2
        np.testing.assert_allclose(outputs(model, X), expected, rtol=1e-4, atol=1e-5)
        for name, array in read_weights(model).items():
            if "moving" not in name:
                np.testing.assert_array_equal(array, kept[name])

    def test_batches_are_averaged_and_the_rest_is_left_out(self):
        model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(momentum=0.7)])
        x = np.random.default_rng(1).normal(3.0, 2.0, (11, 2)).astype("float32")
        assert recalibrate_batch_norm(model, x, batch_size=4) == 1
        parts = x[:8].reshape(2, 4, 2)
        mean, variance = (keras.ops.convert_to_numpy(v) for v in model.layers[0].non_trainable_variables)
        np.testing.assert_allclose(mean, parts.mean(axis=1).mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(variance, parts.var(axis=1).mean(axis=0), rtol=1e-4)
        assert model.layers[0].momentum == 0.7

    def test_other_state_and_frozen_layers_stay(self):
        frozen = keras.layers.BatchNormalization(trainable=False)
        layers = [keras.Input((2,)), keras.layers.Dropout(0.5, seed=1), frozen, keras.layers.BatchNormalization()]
        model = keras.Sequential(layers)
        before = [keras.ops.convert_to_numpy(v) for v in model.variables]
        moved = model.layers[-1].non_trainable_variables
        assert recalibrate_batch_norm(model, np.random.default_rng(2).normal(size=(9, 2))) == 1
        for variable, value in zip(model.variables, before, strict=True):
            same = np.array_equal(keras.ops.convert_to_numpy(variable), value)
            assert same != any(variable is one for one in moved)

    def test_a_model_without_any(self):
        assert recalibrate_batch_norm(two("ViT")[0], X) == 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"inputs": X[:1]}, r"two samples or more. Received: inputs.shape=\(1, 8, 8, 3\)"),
            ({"inputs": X, "batch_size": 1}, "at least 2. Received: batch_size=1"),
        ],
    )
    def test_refuses(self, options, message):
        with pytest.raises(ValueError, match=message):
            recalibrate_batch_norm(two("ConvNet")[0], **options)

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

    def test_of_a_shared_layer_the_mean_over_its_calls(self):
        inputs, layer = keras.Input((3,)), keras.layers.BatchNormalization()
        model = keras.Model(inputs, layer(layer(inputs) * 3.0 + 1.0))
        x = np.random.default_rng(3).normal(2.0, 3.0, (8, 3)).astype("float32")
        assert recalibrate_batch_norm(model, x, batch_size=4) == 1
        parts = x.astype("float64").reshape(2, 4, 3)
        scaled = 9.0 * parts.var(axis=1) / (parts.var(axis=1) + layer.epsilon)
        found = read_weights(model)
        mean, variance = (found[f"batch_normalization_0/moving_{kind}"] for kind in ("mean", "variance"))
        np.testing.assert_allclose(mean, (parts.mean(axis=(0, 1)) + 1.0) / 2.0, rtol=1e-5)
        np.testing.assert_allclose(variance, (parts.var(axis=1).mean(axis=0) + scaled.mean(axis=0)) / 2.0, rtol=1e-4)
        assert layer.momentum == 0.99 and "call" not in vars(layer)
        recalibrate_batch_norm(model, x, batch_size=4)
        np.testing.assert_allclose(read_weights(model)["batch_normalization_0/moving_mean"], mean, rtol=1e-6)

    @pytest.mark.parametrize(
        "inputs", [np.full((4, 3), np.nan), np.zeros((4, 5)), "text", [[1.0], [1.0, 2.0]], None, np.zeros((4, 3, 2))]
    )
    def test_unfit_inputs_change_nothing(self, inputs):
        model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
        before = read_weights(model)
        with pytest.raises(ValueError, match="^`inputs` .*Received: "):
            recalibrate_batch_norm(model, inputs)
        for name, array in read_weights(model).items():
            np.testing.assert_array_equal(array, before[name])


BFLOAT16 = keras.ops.convert_to_numpy(keras.ops.zeros(1, "bfloat16")).dtype


class TestHalfPrecision:
    def test_arrays_of_bfloat16_are_floats(self):
        layer = keras.layers.Dense(3, dtype="bfloat16")
        layer.build((None, 2))
        assign_weights(layer, {"kernel": np.full((2, 3), 1.5, BFLOAT16), "bias": np.ones(3, BFLOAT16)})
        assert read_weights(layer)["kernel"].tolist() == [[1.5] * 3] * 2

    def test_they_are_combined(self):
        sets = [{"a": np.array([value], BFLOAT16)} for value in (1.0, 2.0, 6.0)]
        assert combine_weights(sets)["a"].tolist() == [3.0]
        assert combine_weights(sets, lambda name, arrays: np.max(arrays, axis=0))["a"].tolist() == [6.0]

    def test_integers_are_no_bfloat16(self):
        with pytest.raises(ValueError, match="of another type: bias int64 instead of bfloat16"):
            layer = keras.layers.Dense(1, dtype="bfloat16")
            layer.build((None, 1))
            assign_weights(layer, {"kernel": np.ones((1, 1)), "bias": np.ones(1, "int64")})


@pytest.mark.parametrize(
    ("dtype", "value"), [("float32", 1e300), ("float16", 1e6), ("bfloat16", -1e39), ("int32", 2**40), ("uint8", -1)]
)
def test_numbers_that_a_weight_cannot_hold_are_refused(dtype, value):
    layer = keras.layers.Layer()
    weight = layer.add_weight(shape=(1,), dtype=dtype, initializer="ones", trainable=False, name="w")
    layer.built = True
    with pytest.raises(ValueError, match=f"`values` .*Received: .*beyond the range of: w {dtype}"):
        assign_weights(layer, {"w": np.array([value])})
    assert float(keras.ops.cast(weight, "float32")[0]) == 1.0


@pytest.mark.parametrize("values", [None, [1, 2], {1: np.ones(1)}, {"kernel": [[1.0], [1.0, 2.0]]}])
def test_what_is_no_weights_is_refused_in_words(values):
    layer = keras.layers.Dense(1)
    layer.build((None, 2))
    with pytest.raises(ValueError, match="^`values` must .*Received: "):
        assign_weights(layer, values)
    with pytest.raises(ValueError, match=r"^`sets(\[0\])?` must .*Received: "):
        combine_weights(None if values is None else [values])


@pytest.mark.parametrize("rule", ["mean", [[1], [1, 2]], [1j, 0], lambda name, arrays: np.array(["a", "b"])])
def test_rules_that_are_no_numbers(rule):
    with pytest.raises(ValueError, match="^`rule` must hold numbers. Received: "):
        combine_weights([{"a": np.ones(2)}] * 2, rule)


def test_sets_may_be_of_lists_and_made_as_they_come():
    assert combine_weights({"a": [value, 2.0]} for value in (1.0, 3.0))["a"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("model", [None, {"a": 1}, keras.layers.Dense(1)])
def test_models_that_are_none(model):
    with pytest.raises(ValueError, match="^`model` must be a built layer or model. Received: model="):
        named_weights(model)

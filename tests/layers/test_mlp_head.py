import json

import keras
import numpy as np
import pytest

from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.layers.mlp_head import MLPHead


def features(rows=8, width=5, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width)).astype("float32")


def built(*args, width=5, **kwargs):
    head = MLPHead(*args, **kwargs)
    head.build((None, width))
    return head


def shuffled(head):
    """Weights that are neither the zeros nor the ones at which biases and statistics start."""
    rng = np.random.default_rng(7)
    head.set_weights([rng.uniform(0.5, 1.5, weight.shape).astype("float32") for weight in head.weights])
    return head


def reference(head, x, training):
    """The head in float64, from its weights by layer name."""
    x = x.astype("float64")
    for layer in head.steps:
        weights = {weight.name: keras.ops.convert_to_numpy(weight) for weight in layer.weights}
        if isinstance(layer, keras.layers.Dense):
            x = x @ weights["kernel"].astype("float64") + weights.get("bias", 0.0)
        elif isinstance(layer, keras.layers.ReLU):
            x = np.maximum(x, 0.0)
        else:
            mean = x.mean(0) if training else weights["moving_mean"]
            variance = x.var(0) if training else weights["moving_variance"]
            x = (x - mean) / np.sqrt(variance + 1e-5) * weights.get("gamma", 1.0) + weights.get("beta", 0.0)
    return x


@pytest.mark.parametrize(
    "kwargs",
    [
        {"widths": (6, 4)},
        {"widths": (6, 7, 4), "output_norm": "affine"},
        {"widths": (6, 4), "output_norm": "scale", "hidden_bias": True},
        {"widths": (6, 4), "output_norm": "plain", "output_bias": True},
        {"widths": (6, 4), "batch_norm": False, "output_bias": True},
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_equals_the_layers_written_out(kwargs, training):
    head, x = shuffled(built(**kwargs)), features()
    expected = reference(head, x, training)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(head(x, training=training)), expected, rtol=1e-4, atol=1e-4)


def names(head):
    return [layer.name for layer in head.steps]


def test_order_of_the_layers():
    assert names(MLPHead((6, 7, 4))) == ["dense1", "norm1", "relu1", "dense2", "norm2", "relu2", "output"]
    assert names(MLPHead((6, 4), batch_norm=False)) == ["dense1", "relu1", "output"]
    assert names(MLPHead((6, 4), output_norm="plain")) == [
        "dense1",
        "norm1",
        "relu1",
        "output",
        "output_norm",
    ]
    assert names(MLPHead((4,))) == ["output"]


def test_one_width_is_a_linear_map():
    head, x = built((4,)), features()
    (kernel,) = head.get_weights()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(head(x, training=True)), x @ kernel, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("batch_norm", "hidden_bias", "expected"),
    [(True, None, False), (False, None, True), (True, True, True), (False, False, False)],
)
def test_hidden_layers_have_a_bias_where_no_batch_norm_follows(batch_norm, hidden_bias, expected):
    head = built((6, 7, 4), batch_norm=batch_norm, hidden_bias=hidden_bias)
    dense = [layer for layer in head.steps if isinstance(layer, keras.layers.Dense)]
    assert [layer.use_bias for layer in dense] == [expected, expected, False]
    assert built((6, 4), batch_norm=batch_norm, output_bias=True).steps[-1].use_bias


@pytest.mark.parametrize(
    ("output_norm", "trainable"), [("affine", {"gamma", "beta"}), ("scale", {"gamma"}), ("plain", set())]
)
def test_output_norm_decides_what_the_last_batch_norm_learns(output_norm, trainable):
    norm = built((6, 4), output_norm=output_norm).steps[-1]
    assert isinstance(norm, BatchNormalization)
    assert {weight.name for weight in norm.trainable_weights} == trainable
    assert {weight.name for weight in norm.non_trainable_weights} == {"moving_mean", "moving_variance"}


def test_a_plain_output_norm_standardizes_each_dimension():
    y = keras.ops.convert_to_numpy(built((6, 4), output_norm="plain")(features(64), training=True))
    np.testing.assert_allclose(y.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(y.std(0), 1.0, atol=1e-3)


def test_build_makes_every_weight_from_the_width_of_the_features():
    head = built((6, 4), width=5, output_norm="affine")
    shapes = [tuple(weight.shape) for weight in head.trainable_weights]
    assert shapes == [(5, 6), (6,), (6,), (6, 4), (4,), (4,)]
    assert len(head.non_trainable_weights) == 4
    called = MLPHead((6, 4), output_norm="affine")
    called(features())
    assert [tuple(weight.shape) for weight in called.trainable_weights] == shapes


def test_compute_output_shape():
    head = MLPHead((6, 4))
    assert head.compute_output_shape((None, 5)) == (None, 4)
    assert head.compute_output_shape((3, 5)) == (3, 4)
    assert tuple(built((6, 4))(features(3)).shape) == (3, 4)


def test_moving_statistics_move_in_training_alone():
    head, x = built((6, 4), output_norm="plain"), features()
    before = [weight.copy() for weight in map(keras.ops.convert_to_numpy, head.non_trainable_weights)]
    head(x, training=False)
    head(x)
    for old, weight in zip(before, head.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), old)
    head(x, training=True)
    for old, weight in zip(before, head.non_trainable_weights, strict=True):
        assert (keras.ops.convert_to_numpy(weight) != old).any()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_in_half_and_keeps_float32_weights(policy):
    head = built((6, 4), output_norm="affine", dtype=policy)
    half = policy.removeprefix("mixed_")
    assert {weight.dtype for weight in head.weights} == {"float32"}
    assert {layer.compute_dtype for layer in head.steps} == {half}
    y = head(features(), training=True)
    assert keras.backend.standardize_dtype(y.dtype) == half
    expected = reference(head, features(), training=True)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(keras.ops.cast(y, "float32")), expected, atol=0.05)


def test_config_round_trip():
    head = MLPHead(
        [6, 4],
        batch_norm=False,
        hidden_bias=False,
        output_bias=True,
        output_norm="scale",
        name="h",
        dtype="float16",
    )
    config = json.loads(json.dumps(head.get_config()))
    again = MLPHead.from_config(config)
    assert again.get_config() == head.get_config()
    assert again.widths == (6, 4)
    assert (again.batch_norm, again.hidden_bias, again.output_bias) == (False, False, True)
    assert (again.output_norm, again.name, again.compute_dtype) == ("scale", "h", "float16")
    assert MLPHead.from_config(MLPHead((3,)).get_config()).get_config()["hidden_bias"] is None


def test_saves_and_loads_inside_a_functional_model(tmp_path):
    inputs = keras.Input((5,))
    head = MLPHead((6, 4), output_norm="affine", name="head")
    model = keras.Model(inputs, head(inputs))
    shuffled(head)
    x = features()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.get_layer("head"), MLPHead)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@keras.saving.register_keras_serializable(package="tests")
class Projected(keras.Model):
    def __init__(self, head, **kwargs):
        super().__init__(**kwargs)
        self.head = head

    def call(self, x, training=False):
        return self.head(x, training=training)

    def get_config(self):
        return {**super().get_config(), "head": keras.saving.serialize_keras_object(self.head)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "head": keras.saving.deserialize_keras_object(config["head"])})


def test_saves_and_loads_inside_a_subclass(tmp_path):
    model, x = Projected(MLPHead((6, 4))), features()
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for have, want in zip(again.head.get_weights(), model.head.get_weights(), strict=True):
        np.testing.assert_array_equal(have, want)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("widths", [(), (6, 0), (-1,), (2.5,)])
def test_refuses_widths_that_are_not_positive_integers(widths):
    with pytest.raises(ValueError, match="`widths` must hold .* Received: widths="):
        MLPHead(widths)


def test_refuses_an_unknown_output_norm():
    with pytest.raises(ValueError, match="`output_norm` must be one of .* Received: output_norm='batch'"):
        MLPHead((4,), output_norm="batch")


def test_gelu_is_the_exact_one():
    from scipy.special import erf

    head, x = shuffled(built((6, 4), batch_norm=False, activation="gelu")), features()
    first, _, last = head.steps
    kernels = [[keras.ops.convert_to_numpy(w).astype("float64") for w in layer.weights] for layer in (first, last)]
    hidden = x.astype("float64") @ kernels[0][0] + kernels[0][1]
    expected = (hidden * 0.5 * (1.0 + erf(hidden / np.sqrt(2.0)))) @ kernels[1][0]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(head(x)), expected, rtol=1e-4, atol=1e-4)
    assert MLPHead.from_config(head.get_config()).activation == "gelu"
    with pytest.raises(ValueError, match="Received: activation='tanh'"):
        MLPHead((4,), activation="tanh")

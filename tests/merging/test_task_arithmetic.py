import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet
from keras_ssl.merging import task_arithmetic
from keras_ssl.weights import read_weights


def random_sets(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {"a/kernel": rng.normal(size=(3, 2)).astype("float32"), "a/bias": rng.normal(size=2).astype("float32")}
        for _ in range(count)
    ]


def test_a_loop_in_float64():
    start, *experts = random_sets(4)
    found = task_arithmetic(start, experts, [0.5, -1.0, 0.3])
    for name, value in start.items():
        expected = value.astype("float64")
        for c, expert in zip([0.5, -1.0, 0.3], experts, strict=True):
            expected = expected + c * (expert[name].astype("float64") - value)
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-7)
        assert found[name].dtype == "float32"


def test_limits_are_exact():
    start, *experts = random_sets(3, seed=1)
    for name in start:
        np.testing.assert_array_equal(task_arithmetic(start, experts, 0.0)[name], start[name])
        np.testing.assert_array_equal(task_arithmetic(start, experts, [0.0, 1.0])[name], experts[1][name])


def test_coefficients_by_name():
    start, *experts = random_sets(3)
    found = task_arithmetic(start, experts, {"a/kernel": [1.0, 0.0], "a/bias": [0.0, 1.0]})
    np.testing.assert_array_equal(found["a/kernel"], experts[0]["a/kernel"])
    np.testing.assert_array_equal(found["a/bias"], experts[1]["a/bias"])


def test_models_are_read_and_variances_stay_positive():
    models = [ConvNet((4,)) for _ in range(3)]
    start, *experts = (read_weights(model) for model in models)
    start = {**start, "block1_bn/moving_variance": np.full(4, 2.0, "float32")}
    found = task_arithmetic(start, experts, 3.0)
    assert (found["block1_bn/moving_variance"] == 0.0).all()
    same = task_arithmetic(models[0], models[1:], 0.25)
    np.testing.assert_array_equal(
        same["block1_conv/kernel"],
        task_arithmetic(read_weights(models[0]), [read_weights(m) for m in models[1:]], 0.25)["block1_conv/kernel"],
    )


@pytest.mark.parametrize(
    ("experts", "coefficients", "message"),
    [
        ([], 1.0, "`experts` must hold a model or more"),
        (random_sets(2), [1.0], "`coefficients` must hold a finite number for each of 2 experts"),
        (random_sets(1), float("inf"), "`coefficients` must hold a finite number"),
        ([{"b": np.ones(1)}], 1.0, r"`experts` must hold weights of one structure. Received: experts\[1\]"),
        (random_sets(1), {"a/kernel": [1.0]}, "`coefficients` must have the names of the weights"),
        ([keras.layers.Dense(1)], 1.0, "`experts` must be built Keras models or weights by name"),
    ],
)
def test_refuses(experts, coefficients, message):
    with pytest.raises(ValueError, match=message):
        task_arithmetic(random_sets(1)[0], experts, coefficients)


@pytest.mark.parametrize(
    ("start", "experts", "coefficients", "argument"),
    [
        (None, [{"a": np.ones(1)}], 0.3, "start"),
        ({"a": np.ones(1)}, None, 0.3, "experts"),
        ({"a": np.ones(1)}, [{"a": np.ones(1)}], "x", "coefficients"),
        ({"a": np.ones(1)}, [{"a": np.ones(1)}], [[1], [1, 2]], "coefficients"),
        ({"a": np.ones(1)}, [{"a": np.ones(1)}], 1j, "coefficients"),
    ],
)
def test_the_argument_is_named(start, experts, coefficients, argument):
    with pytest.raises(ValueError, match=f"^`{argument}` must .*Received: "):
        task_arithmetic(start, experts, coefficients)

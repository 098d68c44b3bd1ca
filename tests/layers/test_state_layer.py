"""State that takes small steps is float32 under every dtype policy, or a policy that does not allow it is refused."""

import inspect

import keras
import numpy as np
import pytest

import keras_ssl.layers
from keras_ssl.layers import BatchNormalization, EMATeacher, MLPHead, StateLayer
from keras_ssl.layers.patch_regularizers import PatchRegularizer
from keras_ssl.precision import dtype_policy

ARGUMENTS = {"size": 6, "dimension": 3, "count": 2, "width": 3, "initial": (0.0,), "shapes": [(2, 3), ()]}


def state_layers():
    for name in keras_ssl.layers.__all__:  # most are imported when they are first asked for
        getattr(keras_ssl.layers, name)
    found, waiting = [], [StateLayer]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return [kind for kind in found if kind is not StateLayer and kind.__module__.startswith("keras_ssl.")]


def make(kind, **options):
    if kind is EMATeacher:
        head = MLPHead((3, 2))
        head.build((None, 4))
        return EMATeacher([head], momentum=0.999, **options)
    needed = [name for name, p in inspect.signature(kind).parameters.items() if p.default is p.empty]
    return kind(**{name: ARGUMENTS[name] for name in needed if name in ARGUMENTS}, **options)


def test_the_layers_that_keep_state_are_found():
    names = {kind.__name__ for kind in state_layers()}
    assert {
        "FeatureQueue",
        "Centering",
        "RunningCovariance",
        "EMATeacher",
        "SampleTable",
        "MemoryBank",
        "MaskedQueue",
    } <= names


@pytest.mark.parametrize("kind", state_layers())
@pytest.mark.parametrize("policy", ["bfloat16", "float16", "mixed_bfloat16", "mixed_float16", "float32"])
def test_state_is_float32_or_the_policy_is_refused(kind, policy):
    with dtype_policy(policy):
        if kind is EMATeacher and "mixed" not in policy and policy != "float32":
            with pytest.raises(ValueError, match=f'"mixed_{policy}".*Received: .*{policy}'):
                make(kind)
            return
        layer = make(kind)
    dtypes = {weight.dtype for weight in layer.weights if "float" in weight.dtype}
    # Regularizers of patches get their state with an encoder.
    assert dtypes == {"float32"} or (not layer.weights and issubclass(kind, PatchRegularizer))


@pytest.mark.parametrize("kind", state_layers())
def test_no_gradient_moves_state(kind):
    assert make(kind).trainable_weights == []


@pytest.mark.parametrize("kind", state_layers())
def test_half_precision_is_refused_where_it_is_asked_for(kind):
    with pytest.raises(ValueError, match='"mixed_bfloat16".*Received: dtype=bfloat16'):
        make(kind, dtype="bfloat16")


def test_a_teacher_that_stands_still_may_be_coarse():
    with dtype_policy("bfloat16"):
        head = MLPHead((2,))
        head.build((None, 4))
        assert EMATeacher([head], momentum=1.0).modules[0].weights[0].dtype == "bfloat16"


@pytest.mark.parametrize("policy", ["bfloat16", "float16"])
def test_moving_statistics_are_float32_and_follow(policy):
    layer = BatchNormalization(momentum=0.999, dtype=policy)
    inputs = np.full((4, 3), 0.5, "float32") + np.arange(4, dtype="float32")[:, None]
    for _ in range(3):
        outputs = layer(inputs, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == policy and layer.moving_mean.dtype == "float32"
    np.testing.assert_allclose(layer.moving_mean, 2.0 * (1 - 0.999**3), rtol=1e-3)
    variance = 1 + 0.25 * (1 - 0.999**3)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)
    assert keras.backend.standardize_dtype(layer(inputs).dtype) == policy


def test_a_model_with_a_teacher_names_the_policy_that_suits():
    with dtype_policy("bfloat16"):
        encoder = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8)])
        with pytest.raises(ValueError, match='"mixed_bfloat16"'):
            keras_ssl.BYOL(encoder, projector=(8, 4), predictor=(8, 4))

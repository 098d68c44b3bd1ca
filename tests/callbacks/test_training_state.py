import keras
import numpy as np

from keras_ssl.callbacks.training_state import host_copy, not_finite, state_variables
from tests.callbacks.tiny_run import tiny


def test_holds_every_variable_once():
    model = tiny()
    named = state_variables(model)
    everything = [*model.variables, *model.optimizer.variables, *model.scalars.variables]
    assert len(named) == len(everything)
    assert {id(variable) for variable in named.values()} == {id(variable) for variable in everything}
    assert {"model/step", "model/queue/contents", "model/sequential_0/hidden/kernel", "seed/0", "optimizer/0"} <= set(
        named
    )


def test_the_loss_scale_and_accumulated_gradients_are_in_it():
    model = tiny()
    adam = keras.optimizers.Adam(gradient_accumulation_steps=2)
    model.compile(keras.optimizers.LossScaleOptimizer(adam, initial_scale=8.0), run_eagerly=True)
    values = host_copy(state_variables(model))
    trained = len(model.trainable_variables)
    optimizer = [name for name in values if name.startswith("optimizer/")]
    assert len(optimizer) >= 3 * trained + 3  # two moments and a sum for each weight; counts, rate, scale
    assert 8.0 in [float(values[name]) for name in optimizer if values[name].shape == ()]


def test_copies_do_not_change_with_the_model():
    model = tiny()
    copies = host_copy({"step": model.step})
    model.step.assign(7)
    assert copies["step"] == 0 and copies["step"].flags.owndata


def test_bfloat16_is_kept_exactly():
    variable = keras.Variable(np.array([1 / 3, 1e30], "float32"), dtype="bfloat16")
    copied = host_copy({"v": variable})["v"]
    assert copied.dtype == np.float32
    before = np.asarray(keras.ops.cast(variable.value, "float32"))
    variable.assign(copied)
    np.testing.assert_array_equal(np.asarray(keras.ops.cast(variable.value, "float32")), before)


def test_not_finite():
    arrays = {"a": np.ones(2), "b": np.array([1, np.inf]), "c": np.array([2]), "d": np.array([np.nan], "float16")}
    assert not_finite(arrays) == ["b", "d"]

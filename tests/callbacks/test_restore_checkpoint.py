import keras
import numpy as np
import pytest

from keras_ssl.callbacks import restore_checkpoint
from tests.callbacks.tiny_run import Tiny, assert_equal_state, everything, tiny, train


def test_a_checkpoint_or_the_latest_of_a_folder(tmp_path):
    trained = tiny()
    train(trained, tmp_path, epochs=1)
    model = tiny()
    assert restore_checkpoint(model, tmp_path) == 4
    assert_equal_state(everything(model), everything(trained))
    assert restore_checkpoint(model, tmp_path / "step-0000000003") == 3
    assert int(model.step) == 3


def test_a_model_that_is_not_compiled_gets_its_weights(tmp_path):
    trained = tiny()
    train(trained, tmp_path, epochs=1)
    bare = Tiny(tiny().encoder)
    restore_checkpoint(bare, tmp_path)
    for mine, theirs in zip(bare.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_scale_of_the_loss_and_its_count_of_good_steps(tmp_path):
    def make():
        model = tiny()
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), initial_scale=1e38)
        model.compile(scaled, run_eagerly=keras.backend.backend() == "tensorflow")  # on JAX that takes longer
        return model

    trained, model = make(), make()
    train(trained, tmp_path)
    assert float(trained.optimizer.dynamic_scale) < 1e38 and int(trained.optimizer.step_counter) > 0
    restore_checkpoint(model, tmp_path)
    assert float(model.optimizer.dynamic_scale) == float(trained.optimizer.dynamic_scale)
    assert int(model.optimizer.step_counter) == int(trained.optimizer.step_counter)


def test_none_or_another_models(tmp_path):
    with pytest.raises(ValueError, match="no whole checkpoint.*Received: path="):
        restore_checkpoint(tiny(), tmp_path)
    train(tiny(), tmp_path, epochs=1)
    other = tiny(queue_size=8)
    before = everything(other)
    with pytest.raises(ValueError, match=r"model/queue/contents \(16, 3\) instead of \(8, 3\)"):
        restore_checkpoint(other, tmp_path)
    assert_equal_state(everything(other), before)

import json

import keras
import numpy as np
import pytest

from keras_ssl.report import read_history


def test_history_of_a_finished_run(tmp_path):
    (tmp_path / "history.json").write_text(json.dumps({"loss": [3, 2.5, float("nan")], "knn": [None, 0.5, 0.75]}))
    history = read_history(tmp_path)
    np.testing.assert_equal(history, {"loss": [3.0, 2.5, np.nan], "knn": [None, 0.5, 0.75]})


def test_files_of_the_tensorboard_callback(tmp_path):
    """As another project's run leaves them, or one that still goes on."""
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 2)), np.ones((8, 1))

    class SecondEpoch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs.update({"knn": 0.5} if epoch == 1 else {})

    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    logged = model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0, callbacks=[SecondEpoch(), board]).history
    history = read_history(tmp_path)
    assert set(logged) <= set(history)
    assert history["knn"] == [None, 0.5]
    for name in set(logged) - {"knn"}:
        np.testing.assert_allclose(history[name], logged[name], rtol=1e-6)


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"loss": 3}', '{"loss": ["a"]}'])
def test_a_broken_history_is_named(tmp_path, text):
    (tmp_path / "history.json").write_text(text)
    with pytest.raises(ValueError, match="history.json"):
        read_history(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`logdir` must be the folder of a run.*Received: logdir="):
        read_history(tmp_path)

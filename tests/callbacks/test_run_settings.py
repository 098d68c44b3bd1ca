import keras

from keras_ssl.callbacks.run_settings import differences, run_settings
from keras_ssl.data import from_arrays
from keras_ssl.training.resume import Run
from tests.callbacks.tiny_run import tiny, vectors


def test_differences_name_the_place():
    saved = {"a": {"b": 1, "c": [1, 2]}, "gone": True, "long": "x" * 100, "list": [1]}
    now = {"a": {"b": 2, "c": [1, 3]}, "new": None, "long": "y", "list": [1, 2]}
    assert differences(saved, now) == [
        "a.b: 1 -> 2",
        "a.c[1]: 2 -> 3",
        'gone: true -> "none"',
        f'long: "{"x" * 56}... -> "y"',
        "list: [1] -> [1, 2]",
        'new: "none" -> null',
    ]
    assert differences(saved, saved) == []


def test_the_same_run_in_a_process_that_has_made_other_things():
    def settings(model):
        return run_settings(model, Run(from_arrays(vectors(), batch_size=8), 3, 0, 4), {"sizes": (1, 2)})

    first = settings(tiny())
    keras.layers.Dense(2), keras.layers.Dropout(0.5)
    second = settings(tiny())
    assert differences(first, second) == []
    assert first["data"] == {
        "steps_per_epoch": 4, "count": 32, "batch_size": 8, "seed": 0, "shuffle": True, "drop_remainder": True
    }  # fmt: skip
    assert first["model"]["queue_size"] == 16 and first["settings"] == {"sizes": [1, 2]}
    model = tiny()
    model.encoder.get_layer(index=1).rate = 0.4
    assert [line.rsplit(":", 1)[1] for line in differences(first, settings(model))] == [" 0.3 -> 0.4"]


def test_a_model_without_a_config():
    model = tiny()

    def none():
        raise NotImplementedError

    model.get_config = none
    assert run_settings(model, Run(None, 1, 0, 1), None)["model"] == {"class": "Tiny"}

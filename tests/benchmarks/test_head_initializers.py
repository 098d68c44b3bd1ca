import keras
import numpy as np
import pytest

import keras_ssl


def test_the_line_of_a_method_has_the_mean_difference_and_its_standard_error(script):
    pairs = [(0.5, 0.52), (0.6, 0.61), (0.4, 0.46)]
    runs = {
        f"{seed}/{kind}": {"knn": value}
        for seed, pair in enumerate(pairs)
        for kind, value in zip(("glorot", "fan_in"), pair, strict=True)
    }
    runs["3/glorot"] = {"knn": 0.9}  # its partner is still to come
    text = script("head_initializers").summary(runs, range(4))
    error = np.std([0.02, 0.01, 0.06], ddof=1) / 3**0.5
    assert text.endswith(f"difference +0.0300, standard error {error:.4f}") and "0.400 0.460;" in text
    assert script("head_initializers").summary({}, range(2)) == "no pair of runs yet"


def test_the_other_start_is_that_of_the_heads_alone_and_the_teacher_follows(script):
    encoder = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(16, name="dense")])
    model = keras_ssl.BYOL(encoder, projector=(64, 8), predictor=(32, 8))
    before, teacher = encoder.get_weights(), model.teacher.get_weights()
    assert script("head_initializers").fan_in_weights(model, seed=0) == 4
    for mine, theirs in ((encoder.get_weights(), before), (model.teacher.get_weights(), teacher)):
        assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    kernel, bias = model.projector.steps[0].get_weights()
    for values in (kernel, bias):  # uniform within 1/sqrt(16)
        assert np.abs(values).max() <= 0.25
    assert kernel.std() == pytest.approx(0.25 / 3**0.5, rel=0.1) and np.abs(bias).max() > 0.15
    model.before_first_step()
    np.testing.assert_array_equal(model.teacher.modules[1].get_weights()[0], kernel)

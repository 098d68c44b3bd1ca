import json

import keras
import numpy as np
import pytest

from keras_ssl.training.scalar_means import ScalarMeans


def results(means):
    return {name: float(value) for name, value in means.result().items()}


def test_equals_the_weighted_average_of_numpy():
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(5, 3)), rng.integers(1, 100, 5)
    means = ScalarMeans(capacity=4)
    for row, weight in zip(values, weights, strict=True):
        means.update_state(dict(zip("abc", row, strict=True)), weight=int(weight))
    expected = np.average(values, axis=0, weights=weights)
    assert list(results(means)) == ["a", "b", "c"]
    np.testing.assert_allclose(list(results(means).values()), expected, rtol=1e-5)


def test_steps_of_equal_weight_by_default():
    means = ScalarMeans()
    means.update_state({"loss": 1.0})
    means.update_state({"loss": 4.0})
    assert results(means) == pytest.approx({"loss": 2.5})


def test_before_any_step_there_is_nothing():
    assert ScalarMeans().result() == {}


def test_reset_forgets_values_and_the_number_of_steps():
    means = ScalarMeans()
    means.update_state({"loss": 3.0, "term": 1.0}, weight=10)
    assert (float(means.steps), float(means.weight)) == (1.0, 10.0)
    means.reset_state()
    assert (float(means.steps), float(means.weight)) == (0.0, 0.0)
    means.update_state({"loss": 5.0, "term": 2.0}, weight=4)
    assert results(means) == pytest.approx({"loss": 5.0, "term": 2.0})


def test_steps_are_counted_whatever_they_weigh():
    means = ScalarMeans()
    for weight in (8, 8, 3):
        means.update_state({"loss": 0.0}, weight=weight)
    assert (float(means.steps), float(means.weight)) == (3.0, 19.0)


def test_values_may_be_tensors_of_any_dtype():
    means = ScalarMeans()
    means.update_state(
        {
            "half": keras.ops.cast(keras.ops.convert_to_tensor(0.5), "bfloat16"),
            "count": keras.ops.convert_to_tensor(3),
            "number": 2,
        },
        weight=keras.ops.convert_to_tensor(7),
    )
    assert results(means) == pytest.approx({"half": 0.5, "count": 3.0, "number": 2.0})


def test_a_nan_stays_with_its_own_name():
    means = ScalarMeans()
    means.update_state({"loss": float("nan"), "term": 1.0})
    means.update_state({"loss": 1.0, "term": 2.0})
    assert np.isnan(results(means)["loss"])
    assert results(means)["term"] == 1.5


def test_as_many_scalars_as_there_is_room_for_and_no_more():
    means = ScalarMeans(capacity=2)
    means.update_state({"a": 1.0, "b": 2.0})
    assert results(means) == pytest.approx({"a": 1.0, "b": 2.0})
    with pytest.raises(ValueError, match="at most 2 scalars. Received: 3 scalars"):
        means.update_state({"a": 1.0, "b": 2.0, "c": 3.0})


def test_works_compiled_where_the_names_are_noted_while_tracing():
    means = ScalarMeans()
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def step(variables, loss, count):
            return means.stateless_update_state(variables, {"loss": loss, "twice": 2 * loss}, weight=count)

        variables = [variable.value for variable in means.variables]
        for loss, count in ((1.0, 1), (2.0, 3)):
            variables = step(variables, loss, count)
        found = means.stateless_result(variables)
    else:
        import tensorflow as tf

        @tf.function(jit_compile=True)
        def step(loss, count):
            means.update_state({"loss": loss, "twice": 2 * loss}, weight=count)

        for loss, count in ((1.0, 1), (2.0, 3)):
            step(tf.constant(loss), tf.constant(count))
        found = means.result()
    found = {name: float(value) for name, value in found.items()}
    assert found == pytest.approx({"loss": 1.75, "twice": 3.5})


def test_config_round_trip():
    means = ScalarMeans(capacity=5, name="scalars_of_training")
    again = ScalarMeans.from_config(json.loads(json.dumps(means.get_config())))
    assert again.get_config() == means.get_config()
    assert (again.capacity, again.name) == (5, "scalars_of_training")
    assert tuple(again.totals.shape) == (5,)

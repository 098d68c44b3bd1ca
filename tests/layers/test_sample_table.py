import json

import keras
import numpy as np
import pytest

from keras_ssl.layers.sample_table import SampleTable


def contents(table):
    return keras.ops.convert_to_numpy(table.contents).copy()


def rows(*numbers):
    """A row `(n, 10 n)` for each number."""
    return np.array([[n, 10 * n] for n in numbers], "float32")


def test_starts_with_the_initial_row_everywhere():
    np.testing.assert_array_equal(contents(SampleTable(3, (0.5, -1.0))), [[0.5, -1.0]] * 3)


def test_gathers_rows_by_index_in_any_order():
    table = SampleTable(5, (0.0, 0.0))
    table.update(np.arange(5), rows(0, 1, 2, 3, 4))
    np.testing.assert_array_equal(table.gather(np.array([3, 0, 3])), rows(3, 0, 3))


def test_only_indexed_rows_change():
    table = SampleTable(5, (7.0, 7.0))
    table.update(np.array([4, 1]), rows(1, 2))
    np.testing.assert_array_equal(contents(table), [[7, 7], [2, 20], [7, 7], [7, 7], [1, 10]])


@pytest.mark.parametrize("as_tensor", [False, True])
def test_stays_as_it_is_where_the_step_did_not_update(as_tensor):
    table = SampleTable(3, (0.0, 0.0))
    table.update(np.array([1]), rows(5), updated=keras.ops.convert_to_tensor(False) if as_tensor else False)
    np.testing.assert_array_equal(contents(table), np.zeros((3, 2)))
    table.update(np.array([1]), rows(5), updated=keras.ops.convert_to_tensor(True) if as_tensor else True)
    np.testing.assert_array_equal(contents(table)[1], [5, 50])


def test_a_sample_that_it_lacks_is_nan_and_changes_nothing():
    table = SampleTable(3, (1.0, 2.0))
    gathered = keras.ops.convert_to_numpy(table.gather(np.array([3, 0, -1, 1000])))
    np.testing.assert_array_equal(np.isnan(gathered).all(1), [True, False, True, True])
    np.testing.assert_array_equal(gathered[1], [1, 2])
    table.update(np.array([3, 2, -1, 1000]), rows(1, 2, 3, 4))
    np.testing.assert_array_equal(contents(table), [[1, 2], [1, 2], [2, 20]])


@pytest.mark.parametrize("index", [[0, 3], [-1, 2]])
def test_samples_that_it_lacks_are_refused(index):
    table = SampleTable(3, (0.0,))
    table.check_index(np.array([0, 2]), "dataset_size")
    with pytest.raises(ValueError, match=f"dataset_size=3, index from {index[0]} to {index[1]}"):
        table.check_index(np.array(index), "dataset_size")


def test_works_compiled():
    table = SampleTable(4, (0.0, 0.0))
    index = np.array([2, 9], "int32")
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def step(values, index, new):
            with keras.StatelessScope(state_mapping=list(zip(table.weights, values, strict=True))) as scope:
                gathered = table.gather(index)
                table.update(index, new)
            return gathered, [scope.get_current_value(weight) for weight in table.weights]

        gathered, (after,) = step([weight.value for weight in table.weights], index, rows(1, 2))
        table.weights[0].assign(after)
    else:
        import tensorflow as tf

        def step(index, new):
            gathered = table.gather(index)
            table.update(index, new)
            return gathered

        signature = [tf.TensorSpec((None,), "int32"), tf.TensorSpec((None, 2))]  # the number of rows is not known
        gathered = tf.function(step, input_signature=signature, jit_compile=True)(index, rows(1, 2))
    np.testing.assert_array_equal(np.isnan(gathered).all(1), [False, True])
    np.testing.assert_array_equal(contents(table), [[0, 0], [0, 0], [1, 10], [0, 0]])


@pytest.mark.parametrize("name", ["mixed_float16", "float16", "bfloat16"])
def test_is_float32_under_every_policy_and_never_trained(name):
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(name)
        table = SampleTable(4, (0.0,))
        assert keras.backend.standardize_dtype(table.contents.dtype) == "float32"
        assert table.trainable_variables == []
    finally:
        keras.config.set_dtype_policy(policy)


def test_config_round_trip():
    table = SampleTable(4, (0.5, 2.0), name="table")
    again = SampleTable.from_config(json.loads(json.dumps(table.get_config())))
    assert again.get_config() == table.get_config()
    np.testing.assert_array_equal(contents(again), contents(table))


@pytest.mark.parametrize("size", [0, -3, 2.5, True])
def test_refuses_a_size_that_is_not_a_positive_integer(size):
    with pytest.raises(ValueError, match=f"`size` must be a positive integer. Received: size={size}"):
        SampleTable(size, (0.0,))


def test_refuses_an_empty_row():
    with pytest.raises(ValueError, match="`initial`"):
        SampleTable(3, ())

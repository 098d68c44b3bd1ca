import json

import keras
import numpy as np
import pytest

from keras_ssl.layers.feature_queue import FeatureQueue


def contents(queue):
    return keras.ops.convert_to_numpy(queue.contents).copy()


def keys(first, count, width=2):
    """Rows that tell their number."""
    return np.repeat(np.arange(first, first + count, dtype="float32")[:, None], width, axis=1)


def test_starts_with_unit_vectors_that_are_the_same_on_every_backend():
    # What seed 0 gave on both backends when this was written: saved runs begin from these numbers.
    expected = [
        [-0.559319, 0.017008, 0.714002, 0.420802],
        [-0.20457, 0.567037, -0.18215, -0.776815],
        [-0.637591, 0.449796, -0.588635, -0.21135],
    ]
    np.testing.assert_allclose(contents(FeatureQueue(3, 4)), expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(contents(FeatureQueue(50, 8)), axis=1), 1.0, rtol=1e-5)


def test_initial_directions_fill_the_sphere():
    start = contents(FeatureQueue(2000, 3))
    np.testing.assert_allclose(start.mean(0), 0.0, atol=0.05)
    np.testing.assert_allclose(start.T @ start / 2000, np.eye(3) / 3, atol=0.05)


def test_the_seed_decides_the_start_and_the_size_only_how_much_of_it_there_is():
    np.testing.assert_array_equal(contents(FeatureQueue(4, 3, seed=5)), contents(FeatureQueue(4, 3, seed=5)))
    assert (contents(FeatureQueue(4, 3, seed=5)) != contents(FeatureQueue(4, 3, seed=6))).all()
    np.testing.assert_allclose(contents(FeatureQueue(9, 3))[:4], contents(FeatureQueue(4, 3)), atol=1e-6)


def test_newest_come_first_and_the_oldest_drop_out():
    queue = FeatureQueue(5, 2)
    start = contents(queue)
    queue.enqueue(keys(0, 2))
    np.testing.assert_array_equal(contents(queue), np.concatenate([keys(0, 2), start[:3]]))
    queue.enqueue(keys(2, 2))
    np.testing.assert_array_equal(contents(queue), np.concatenate([keys(2, 2), keys(0, 2), start[:1]]))
    queue.enqueue(keys(4, 2))
    np.testing.assert_array_equal(contents(queue)[:, 0], [4, 5, 2, 3, 0])


def test_equals_a_plain_list_over_many_batches():
    queue = FeatureQueue(7, 2)
    model = list(contents(queue))
    first = 0
    for count in (3, 1, 7, 2, 2, 6, 1):
        rows = keys(first, count)
        queue.enqueue(rows)
        model = [*rows, *model][:7]
        first += count
        np.testing.assert_array_equal(contents(queue), model)


def test_a_batch_as_large_as_the_queue_replaces_it():
    queue = FeatureQueue(4, 2)
    queue.enqueue(keys(0, 4))
    np.testing.assert_array_equal(contents(queue), keys(0, 4))


def test_a_batch_larger_than_the_queue_is_an_error():
    queue = FeatureQueue(4, 2)
    before = contents(queue)
    with pytest.raises(ValueError, match="at least one global batch. Received: size=4, a batch of 5 embeddings"):
        queue.enqueue(keys(0, 5))
    np.testing.assert_array_equal(contents(queue), before)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_stays_as_it_is_where_the_step_did_not_update(as_tensor):
    queue = FeatureQueue(4, 2)
    before = contents(queue)
    queue.enqueue(keys(0, 2), updated=keras.ops.convert_to_tensor(False) if as_tensor else False)
    np.testing.assert_array_equal(contents(queue), before)
    queue.enqueue(keys(0, 2), updated=keras.ops.convert_to_tensor(True) if as_tensor else True)
    np.testing.assert_array_equal(contents(queue)[:2], keys(0, 2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_embeddings_are_kept_in_float32(dtype):
    queue = FeatureQueue(4, 2)
    queue.enqueue(keras.ops.cast(keras.ops.convert_to_tensor(keys(3, 2)), dtype))
    assert keras.backend.standardize_dtype(queue.contents.dtype) == "float32"
    np.testing.assert_array_equal(contents(queue)[:2], keys(3, 2))


@pytest.mark.parametrize("name", ["mixed_float16", "float16", "bfloat16"])
def test_is_float32_under_every_policy(name):
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(name)
        assert keras.backend.standardize_dtype(FeatureQueue(4, 2).contents.dtype) == "float32"
    finally:
        keras.config.set_dtype_policy(policy)


def test_nothing_in_it_is_trained():
    queue = FeatureQueue(4, 2)
    assert queue.trainable_variables == []
    assert [tuple(weight.shape) for weight in queue.non_trainable_variables] == [(4, 2)]


def test_works_compiled():
    queue = FeatureQueue(5, 2)
    start = contents(queue)
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def step(values, rows):
            with keras.StatelessScope(state_mapping=list(zip(queue.weights, values, strict=True))) as scope:
                queue.enqueue(rows)
            return [scope.get_current_value(weight) for weight in queue.weights]

        (after,) = step([weight.value for weight in queue.weights], keys(0, 2))
        queue.weights[0].assign(after)
    else:
        import tensorflow as tf

        # The number of rows is not known while this is traced.
        tf.function(queue.enqueue, input_signature=[tf.TensorSpec((None, 2))], jit_compile=True)(keys(0, 2))
    np.testing.assert_array_equal(contents(queue), np.concatenate([keys(0, 2), start[:3]]))


def test_config_round_trip():
    queue = FeatureQueue(4, 2, seed=9, name="queue")
    again = FeatureQueue.from_config(json.loads(json.dumps(queue.get_config())))
    assert again.get_config() == queue.get_config()
    assert (again.size, again.dimension, again.seed, again.name) == (4, 2, 9, "queue")
    np.testing.assert_array_equal(contents(again), contents(queue))


@keras.saving.register_keras_serializable(package="tests")
class Queued(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.queue = FeatureQueue(5, 2, name="queue")
        self.built = True

    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.queue.contents))


def test_is_saved_and_restored_with_the_model(tmp_path):
    model = Queued()
    model.queue.enqueue(keys(3, 2))
    model.save_weights(tmp_path / "model.weights.h5")
    model.save(tmp_path / "model.keras")
    again = Queued()
    assert (contents(again.queue) != contents(model.queue)).any()
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(contents(again.queue), contents(model.queue))
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(contents(loaded.queue), contents(model.queue))


@pytest.mark.parametrize("bad", [{"size": 0}, {"size": -3}, {"size": 2.5}, {"dimension": 0}, {"dimension": 1.5}])
def test_refuses_sizes_that_are_not_positive_integers(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer. Received: {name}={value}"):
        FeatureQueue(**{"size": 4, "dimension": 2, **bad})


def test_an_empty_queue_is_full_once_every_row_was_filled():
    queue = FeatureQueue(4, 2, empty=True)
    np.testing.assert_array_equal(contents(queue), 0.0)
    assert not bool(queue.full) and bool(FeatureQueue(4, 2).full)
    queue.enqueue(keys(1, 3))
    assert not bool(queue.full)
    queue.enqueue(keys(4, 1))
    assert bool(queue.full) and FeatureQueue.from_config(queue.get_config()).empty

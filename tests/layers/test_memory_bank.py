import keras
import numpy as np
import pytest

from keras_ssl.layers.memory_bank import MemoryBank


def draws(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def rows(bank):
    return keras.ops.convert_to_numpy(bank.contents).copy()


def test_equals_a_table_over_many_batches():
    bank, table = MemoryBank(6, 3, momentum=0.3), np.zeros((6, 3))
    for step, index in enumerate(([0, 5], [5, 2], [2, 0], [5, 0])):
        new = draws(2, 3, seed=step)
        for place, row in zip(index, unit(new), strict=True):
            table[place] = unit(0.7 * table[place] + 0.3 * row) if table[place].any() else row
        bank.remember(np.array(index), new)
        np.testing.assert_allclose(rows(bank), table, atol=1e-6)
    np.testing.assert_array_equal(bank.seen, [True, False, True, False, False, True])
    np.testing.assert_allclose(bank.gather(np.array([2, 1, 5])), table[[2, 1, 5]], atol=1e-6)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_stands_still_where_the_step_did_not_update(as_tensor):
    bank = MemoryBank(4, 3)
    bank.remember(np.array([1]), draws(1, 3))
    before = rows(bank)
    bank.remember(np.array([1, 2]), draws(2, 3, seed=1), keras.ops.convert_to_tensor(False) if as_tensor else False)
    np.testing.assert_array_equal(rows(bank), before)


def test_a_sample_beyond_the_bank_is_nan_and_changes_nothing():
    bank = MemoryBank(4, 3)
    bank.remember(np.array([0, 3]), draws(2, 3))
    before = rows(bank)
    bank.remember(np.array([4, -1]), draws(2, 3, seed=1))
    np.testing.assert_array_equal(rows(bank), before)
    found = keras.ops.convert_to_numpy(bank.gather(np.array([0, 4, -1])))
    assert np.isnan(found).all(1).tolist() == [False, True, True]


def test_config_and_errors():
    twin = MemoryBank.from_config(MemoryBank(4, 3, momentum=0.2).get_config())
    assert (twin.size, twin.dimension, twin.momentum) == (4, 3, 0.2) and not twin.trainable_weights
    for arguments, message in (((0, 3), "size=0"), ((4, 0), "dimension=0"), ((4, 3, 0), "momentum=0")):
        with pytest.raises(ValueError, match=f"Received: {message}"):
            MemoryBank(*arguments)

import numpy as np
import pytest

from keras_ssl.data import from_arrays, identity_pairs
from keras_ssl.data.device_batches import RowBatches
from keras_ssl.data.worker_part import worker_part
from keras_ssl.random import permutation


@pytest.mark.parametrize("workers", [1, 2, 3, 6])
@pytest.mark.parametrize("shape", [(24,), (24, 2)])
def test_the_parts_of_a_step_are_the_global_batch_in_its_order(workers, shape):
    order = np.random.RandomState(0).randint(0, 99, shape)
    parts = [worker_part(order, 12, worker, workers) for worker in range(workers)]
    size = 12 // workers
    for step in range(2):
        together = np.concatenate([part[step * size : (step + 1) * size] for part in parts])
        np.testing.assert_array_equal(together, order[12 * step : 12 * (step + 1)])


def test_a_last_batch_that_is_not_full():
    parts = [worker_part(np.arange(10), 4, worker, 2) for worker in range(2)]
    assert [part.tolist() for part in parts] == [[0, 1, 4, 5, 8], [2, 3, 6, 7, 9]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.arange(8), 4, 0, 3), "the 3 workers.*Received: batch_size=4"),
        ((np.arange(9), 4, 0, 2), "drop_remainder.*Received: last batch=1"),
        ((np.arange(8), 4, 2, 2), "Received: worker=2 of 2"),
        ((np.arange(8), 4, -1, 2), "Received: worker=-1 of 2"),
    ],
)
def test_bad_parts(arguments, message):
    with pytest.raises(ValueError, match=message):
        worker_part(*arguments)


def arrays(**options):
    return from_arrays(np.arange(66).reshape(22, 3).astype("uint8"), np.arange(22), batch_size=6, seed=2, **options)


@pytest.mark.parametrize("on_device", [False, True])
def test_data_sets_read_their_part_only(on_device):
    whole, parts = arrays(), [arrays(on_device=on_device) for _ in range(3)]
    for worker, part in enumerate(parts):
        part.take_part(worker, 3)
        assert part.local_batch_size == 2 and part.batch_size == 6 and len(part) == len(whole) == 3
    for data in (whole, *parts):
        data.epoch, data.first_batch = 4, 1
    for _ in range(2):
        for step in range(len(whole)):
            for key, value in whole[step].items():
                together = np.concatenate([np.asarray(part[step][key]) for part in parts])
                np.testing.assert_array_equal(together, value)
        for data in (whole, *parts):
            data.on_epoch_end()
    if on_device:
        assert RowBatches(parts[1])[0]["rows"].tolist() == permutation(22, 2, 6)[2:4].tolist()
    parts[0].take_part(0, 1)
    np.testing.assert_array_equal(parts[0][1]["index"], whole[1]["index"])


def test_pairs_too():
    x, group = np.zeros((12, 8, 8, 3), "uint8"), np.arange(12) // 3
    whole, parts = identity_pairs(x, group, batch_size=4), [identity_pairs(x, group, batch_size=4) for _ in range(2)]
    for worker, part in enumerate(parts):
        part.take_part(worker, 2)
    together = np.concatenate([part[1]["group"] for part in parts])
    np.testing.assert_array_equal(together, whole[1]["group"])


def test_what_cannot_be_cut_is_refused_at_once():
    with pytest.raises(ValueError, match="Received: batch_size=6"):
        arrays().take_part(0, 4)
    with pytest.raises(ValueError, match="Received: last batch=4"):
        arrays(drop_remainder=False).take_part(0, 3)

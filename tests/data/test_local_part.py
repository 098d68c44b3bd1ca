import keras
import numpy as np
import pytest

from keras_ssl.data.from_arrays import from_arrays
from keras_ssl.data.local_part import LocalPart


def arrays(**options):
    first = np.arange(12.0).reshape(12, 1)
    return from_arrays((first, first + 1), y=np.arange(12), batch_size=6, **options)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_parts_together_are_the_batch_in_its_order(count):
    whole = arrays(seed=3)
    parts = [LocalPart(arrays(seed=3), number, count) for number in range(count)]
    for number in range(len(whole)):
        pieces = [part[number] for part in parts]
        assert all(len(piece["y"]) == 6 // count for piece in pieces)
        together = keras.tree.map_structure(lambda *some: np.concatenate(some), *pieces)
        keras.tree.map_structure(np.testing.assert_array_equal, together, whole[number])


def test_epochs_and_a_late_beginning_are_those_of_the_data():
    data = arrays(shuffle=False)
    part = LocalPart(data, number=1, count=2)
    data.first_batch = 1
    assert len(part) == 1 and part[0]["y"].tolist() == [9, 10, 11]
    assert part.workers == 1  # Keras asks once, and then ends an epoch that has not begun
    part.on_epoch_end()
    assert data.epoch == 0
    part.on_epoch_end()
    assert data.epoch == 1 and len(part) == 2
    with pytest.raises(ValueError, match="Received: workers=2"):
        part.workers = 2

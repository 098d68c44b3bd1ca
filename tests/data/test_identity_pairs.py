import numpy as np
import pytest

from keras_ssl.data.identity_pairs import identity_pairs

GROUPS = np.random.RandomState(0).permutation(np.repeat([10, 20, 30, 40, 50, 60, 70], [9, 4, 3, 2, 2, 2, 1]))
IMAGES = np.arange(len(GROUPS), dtype="float32")[:, None] * np.ones((1, 2), "float32")  # each tells its number


def batches(**options):
    data = identity_pairs(IMAGES, GROUPS, **{"batch_size": 3, **options})
    return [data[i] for i in range(len(data))]


def numbers(batch):
    return [view[:, 0].astype(int) for view in batch["x"]]


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_no_identity_is_repeated_in_a_batch(epoch):
    for batch in batches(epoch=epoch):
        assert len(set(batch["group"])) == 3


def test_a_pair_is_two_images_of_one_identity():
    for batch in batches():
        first, second = numbers(batch)
        assert (first != second).all()
        np.testing.assert_array_equal(GROUPS[first], batch["group"])
        np.testing.assert_array_equal(GROUPS[second], batch["group"])
        np.testing.assert_array_equal(batch["index"], first)


def test_an_image_comes_first_at_most_once_and_as_many_batches_are_made_as_can_be():
    first = np.concatenate([numbers(batch)[0] for batch in batches()])
    assert len(set(first)) == len(first)
    # 9 + 4 + 3 + 2 + 2 + 2 images in threes of different identities: at most 6, (4 + 3 + 2 + 2 + 2 + 6) // 3.
    assert len(first) == 6 * 3
    assert 70 not in GROUPS[first]


def test_the_order_is_a_function_of_seed_and_epoch():
    def order(**options):
        return np.concatenate([numbers(batch) for batch in batches(**options)], axis=1)

    np.testing.assert_array_equal(order(seed=3, epoch=2), order(seed=3, epoch=2))
    assert (order(seed=3, epoch=2) != order(seed=3, epoch=1)).any()
    assert (order(seed=3, epoch=2) != order(seed=4, epoch=2)).any()
    data = identity_pairs(IMAGES, GROUPS, batch_size=3, seed=3, epoch=1)
    data.on_epoch_end()
    np.testing.assert_array_equal(data.order().T, order(seed=3, epoch=2))


def test_equal_identities_are_used_up():
    groups = np.repeat(np.arange(8), 4)
    data = identity_pairs(np.zeros((32, 2)), groups, batch_size=4)
    assert len(data) == 8 and sorted(data.order()[:, 0]) == list(range(32))


@pytest.mark.parametrize(
    ("group", "options", "message"),
    [
        (GROUPS, {"batch_size": 7}, r"identities with two images \(6\). Received: batch_size=7"),
        (GROUPS[1:], {}, "len\\(x\\)=23, len\\(group\\)=22"),
        (GROUPS.astype("float32"), {}, "`group` must hold integers"),
        (GROUPS, {"seed": -1}, "seed=-1"),
    ],
)
def test_errors(group, options, message):
    with pytest.raises(ValueError, match=message):
        identity_pairs(IMAGES, group, **{"batch_size": 3, **options})

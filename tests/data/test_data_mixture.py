import keras
import numpy as np
import pytest

from keras_ssl.data import DataMixture


def source(number, count):
    """Rows that tell their source and their number."""
    return np.stack([np.full(count, number), np.arange(count)], axis=1).astype("float32")


def mixture(proportions=(1, 3), counts=(10, 30), steps=5, batch_size=8, **options):
    return DataMixture([source(i, n) for i, n in enumerate(counts)], proportions, steps, batch_size, **options)


def epoch_of(data, epoch):
    data.epoch = epoch
    return np.concatenate([data[step] for step in range(len(data))])


@pytest.mark.parametrize("proportions", [(1, 3), (0.07, 0.93), (0.5, 0.5), (1, 0), (0, 2.5)])
def test_shares_of_an_epoch_are_exact_and_every_batch_is_close(proportions):
    data = mixture(proportions, steps=25)
    share = proportions[0] / sum(proportions)
    first = [np.sum(data[step][:, 0] == 0) for step in range(25)]
    assert sum(first) == round(share * 200)
    assert np.abs(np.array(first) - 8 * share).max() <= 1.0


def test_largest_remainders_of_three_sources():
    data = mixture((1, 1, 1), (5, 6, 7), steps=1, batch_size=8)
    assert np.bincount(data.draws(0)[0]).tolist() == [3, 3, 2]
    data = mixture((0.5, 0.26, 0.24), (5, 6, 7), steps=1, batch_size=10)
    assert np.bincount(data.draws(0)[0]).tolist() == [5, 3, 2]


def test_each_source_is_read_pass_after_pass():
    data = mixture((1, 1), (10, 7), steps=4, batch_size=5)  # 10 of each in an epoch
    rows = np.concatenate([epoch_of(data, epoch) for epoch in range(7)])
    for number, count in ((0, 10), (1, 7)):
        mine = rows[rows[:, 0] == number, 1].astype(int)
        assert len(mine) == 70
        for start in range(0, 70, count):
            assert sorted(mine[start : start + count]) == list(range(count))
    zero = rows[rows[:, 0] == 0, 1]
    assert zero[:10].tolist() != zero[10:20].tolist()


def test_proportions_change_exactly_at_the_switch():
    data = mixture((1, 3), steps=10)
    data.switch(13, (3, 1))
    counts = [np.sum(rows[:, 0] == 0) for epoch in range(3) for rows in epoch_of(data, epoch).reshape(10, 8, 2)]
    assert counts == [2] * 13 + [6] * 17
    assert data.proportions_at(12) == (0.25, 0.75) and data.proportions_at(13) == (0.75, 0.25)


def test_equal_proportions_are_no_switch():
    plain, switched = mixture((1, 2), steps=7), mixture((1, 2), steps=7)
    switched.switch(3, (2, 4))
    for epoch in range(3):
        np.testing.assert_array_equal(epoch_of(plain, epoch), epoch_of(switched, epoch))


def test_batches_are_a_pure_function_of_seed_epoch_and_number():
    one, other = mixture(seed=3), mixture(seed=3)
    _ = [epoch_of(one, epoch) for epoch in (0, 1)]
    np.testing.assert_array_equal(epoch_of(one, 2), epoch_of(other, 2))
    np.testing.assert_array_equal(one[4], other[4])
    assert not np.array_equal(epoch_of(one, 2), epoch_of(mixture(seed=4), 2))
    other.epoch, other.first_batch = 2, 3
    one.epoch = 2
    np.testing.assert_array_equal(other[0], one[3])


def test_sources_of_one_length_are_read_in_different_orders():
    sources, rows = mixture((1, 1), (20, 20), steps=5, batch_size=8).draws(0)
    assert sorted(rows[sources == 0]) == sorted(rows[sources == 1]) == list(range(20))
    assert rows[sources == 0].tolist() != rows[sources == 1].tolist()


def test_the_form_of_the_sources_is_that_of_the_batches():
    x = [np.zeros((6, 2), "uint8"), np.ones((6, 2), "uint8")]
    pairs = DataMixture([(part, np.full(6, i)) for i, part in enumerate(x)], (1, 1), 2, 4)[0]
    assert isinstance(pairs, tuple) and pairs[0].dtype == np.uint8
    np.testing.assert_array_equal(pairs[0][:, 0], pairs[1])
    named = DataMixture([{"x": part, "y": np.full(6, i)} for i, part in enumerate(x)], (1, 1), 2, 4)[0]
    np.testing.assert_array_equal(named["x"][:, 0], named["y"])


def test_a_keras_model_trains_on_it():
    pairs = [(np.full((6, 2), float(i), "float32"), np.full((6, 1), float(i), "float32")) for i in range(2)]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)])
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    # The loss of weights of zero is the share of the second source.
    history = model.fit(DataMixture(pairs, (1, 3), 5, 4), epochs=2, shuffle=False, verbose=0).history
    assert history["loss"] == pytest.approx([0.75, 0.75])


@pytest.mark.parametrize("bad", [(1,), (1, -1), (0, 0), (1, float("nan")), (1, float("inf")), ("a", "b"), 3])
def test_rejects_proportions_that_are_none(bad):
    with pytest.raises(ValueError, match="`proportions`.*Received: proportions="):
        mixture(bad)
    with pytest.raises(ValueError, match="`proportions`.*Received: proportions="):
        mixture().switch(3, bad)


@pytest.mark.parametrize(
    ("name", "options"),
    [("steps_per_epoch", {"steps": 0}), ("batch_size", {"batch_size": 0}), ("seed", {"seed": -1})],
)
def test_rejects_values_out_of_range(name, options):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        mixture(**options)


@pytest.mark.parametrize(
    "sources",
    [
        [np.zeros(3)],
        [np.zeros(3), np.zeros((3, 2))],
        [np.zeros(3), np.zeros(3, "int32")],
        [np.zeros(3), np.zeros(0)],
        [(np.zeros(3), np.zeros(2)), (np.zeros(3), np.zeros(3))],
        [{"x": np.zeros(3)}, {"z": np.zeros(3)}],
    ],
)
def test_rejects_sources_that_do_not_go_together(sources):
    with pytest.raises(ValueError, match="`sources`.*Received: sources="):
        DataMixture(sources, (1, 1), 2, 2)


def test_rejects_switches_out_of_order():
    data = mixture()
    data.switch(5, (1, 1))
    with pytest.raises(ValueError, match="`step`.*Received: step=4"):
        data.switch(4, (3, 1))
    with pytest.raises(ValueError, match="`step`.*Received: step=-1"):
        data.switch(-1, (3, 1))

import numpy as np
import pytest

from keras_ssl.data import DataMixture, ReplayMixture


def rows_of(data, epoch):
    data.epoch = epoch
    return np.concatenate([data[step] for step in range(len(data))])


def mixture(new=100, old=40, **options):
    return ReplayMixture(np.arange(new), 1000 + np.arange(old), **options)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("batch_size", [1, 7, 20])
def test_the_share_of_an_epoch_is_exact(share, batch_size):
    data = mixture(share=share, batch_size=batch_size)
    rows = rows_of(data, 0)
    total = len(data) * batch_size
    assert len(rows) == total
    assert np.sum(rows >= 1000) == int(np.floor(share * total + 0.5 + 1e-9))
    # As many batches as the new data last for.
    more = total + batch_size
    assert np.sum(rows < 1000) <= 100 < more - np.floor(share * more + 0.5 + 1e-9)


def test_each_new_sample_comes_at_most_once_in_an_epoch_and_others_are_left_out_of_each():
    data = mixture(share=0.1, batch_size=12)  # 9 batches of 108: 97 new
    seen = [rows_of(data, epoch) for epoch in range(3)]
    for rows in seen:
        new = rows[rows < 1000]
        assert len(new) == 97 and len(set(new.tolist())) == 97
    assert set(seen[0][seen[0] < 1000].tolist()) != set(seen[1][seen[1] < 1000].tolist())


def test_old_data_are_read_pass_after_pass_through_the_epochs():
    data = mixture(old=15, share=0.1, batch_size=10)  # 11 of each epoch
    old = np.concatenate([rows_of(data, epoch) for epoch in range(6)])
    old = old[old >= 1000] - 1000
    assert len(old) == 66
    for start in range(0, 60, 15):
        assert sorted(old[start : start + 15].tolist()) == list(range(15))


def test_old_samples_are_spread_evenly():
    data = mixture(share=0.25, batch_size=4, new=300)
    assert {int(np.sum(data[step] >= 1000)) for step in range(len(data))} == {1}


def test_without_a_share_it_is_one_pass_over_the_new_data():
    assert sorted(rows_of(mixture(share=0.0, batch_size=10), 0).tolist()) == list(range(100))


def test_it_is_a_mixture_of_the_same_proportions():
    ours = mixture(share=0.2, batch_size=5)
    theirs = DataMixture([np.arange(100), np.arange(40)], (0.8, 0.2), len(ours), 5)
    np.testing.assert_array_equal(ours.draws(0)[0], theirs.draws(0)[0])


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan"), "a", True])
def test_rejects_shares_out_of_range(share):
    with pytest.raises(ValueError, match="`share`.*Received: share="):
        mixture(share=share)


def test_rejects_batches_that_the_new_data_do_not_fill_and_switches():
    with pytest.raises(ValueError, match="`batch_size`.*Received: batch_size=200"):
        mixture(batch_size=200)
    with pytest.raises(ValueError, match="`sources`"):
        ReplayMixture(np.zeros(3), np.zeros((3, 2)), batch_size=1)
    with pytest.raises(ValueError, match="Received: proportions="):
        mixture(batch_size=10).switch(3, (1, 1))

import warnings

import numpy as np
import pytest

from keras_ssl.callbacks import TrainingWarning, UniquePassCheck
from keras_ssl.data import DataMixture, from_arrays
from tests.callbacks.small_regression import X, Y, regression, trained


def test_one_epoch_has_every_sample_once():
    check = UniquePassCheck(lambda epoch, batch: range(8 * batch, 8 * batch + 8))
    trained(regression(), callbacks=[check])
    assert check.seen == 48


def test_it_fires_at_the_first_repeated_sample():
    check = UniquePassCheck(lambda epoch, batch: range(8 * batch, 8 * batch + 8))
    with pytest.raises(RuntimeError, match="8 samples of batch 0 of epoch 1.*Received: samples 0, 1, 2, 3, 4 ..."):
        trained(regression(), epochs=2, callbacks=[check])


def test_it_fires_where_a_batch_has_a_sample_twice_or_one_comes_later():
    twice = UniquePassCheck(lambda epoch, batch: [10 * batch, 7, 7])
    with pytest.raises(RuntimeError, match="1 samples of batch 0 of epoch 0.*Received: samples 7$"):
        trained(regression(), callbacks=[twice])
    later = UniquePassCheck(lambda epoch, batch: [batch if batch < 4 else 2])
    with pytest.raises(RuntimeError, match="batch 4 of epoch 0.*Received: samples 2$"):
        trained(regression(), callbacks=[later])


def test_a_warning_comes_once():
    check = UniquePassCheck(lambda epoch, batch: [batch], action="warn")
    with pytest.warns(TrainingWarning, match="seen before") as said:
        trained(regression(), epochs=3, callbacks=[check])
    assert len([one for one in said if one.category is TrainingWarning]) == 1


def called(check, data, epochs):
    """Its hooks, in the order of `fit`."""
    for epoch in range(epochs):
        data.epoch = epoch
        check.on_epoch_begin(epoch)
        for batch in range(len(data)):
            check.on_train_batch_begin(batch)


def test_data_sets_of_the_library_tell_their_samples():
    data = from_arrays(X, batch_size=10)
    check = UniquePassCheck(data)
    called(check, data, 1)
    assert check.seen == 40
    with pytest.raises(RuntimeError, match="epoch 1"):
        called(UniquePassCheck(data), data, 2)


def test_a_mixture_repeats_a_source_that_is_used_up():
    enough = DataMixture([np.zeros(50), np.ones(50)], (1, 1), 10, 10)
    check = UniquePassCheck(enough)
    called(check, enough, 1)
    assert check.seen == 100
    short = DataMixture([np.zeros(50), np.ones(40)], (1, 1), 10, 10)
    with pytest.raises(RuntimeError, match="batch 8 of epoch 0"):
        called(UniquePassCheck(short), short, 1)


def test_it_watches_a_fit_over_a_data_set():
    data = DataMixture([(X[:24], Y[:24]), (X[24:], Y[24:])], (1, 1), 6, 8)
    check = UniquePassCheck(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        regression().fit(data, epochs=1, shuffle=False, verbose=0, callbacks=[check])
    assert check.seen == 48


def test_rejects_what_tells_no_samples():
    with pytest.raises(ValueError, match="`samples`.*Received: samples=None"):
        UniquePassCheck(None)
    with pytest.raises(ValueError, match="`action`.*Received: action='ignore'"):
        UniquePassCheck(lambda epoch, batch: [], "ignore")

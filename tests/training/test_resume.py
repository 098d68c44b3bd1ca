import keras
import pytest

from keras_ssl.data import from_arrays
from keras_ssl.training.resume import FitHook, Position, Run, begin_at, check_position, data_length, fit_hooks
from tests.callbacks.tiny_run import StopAt, tiny, train, vectors


class Epochs:
    """Stands in for Keras' iterator: epochs of so many steps over one stream of numbers, or a new one each."""

    def __init__(self, steps, stream=None):
        self.steps, self.stream = steps, stream

    def _enumerate_iterator(self):
        batches = iter(range(self.steps)) if self.stream is None else self.stream
        for step in range(self.steps):
            yield step, step, batches

    def epoch(self):
        return [(begin, next(batches)) for begin, _, batches in self._enumerate_iterator()]


def position(epoch, batch, first_epoch=0):
    return Position(epoch, batch, None, first_epoch, 9)


def test_only_the_first_epoch_begins_late():
    epochs = Epochs(4)
    begin_at(epochs, position(2, 3), Run(object(), 9, 0, 4))
    assert epochs.epoch() == [(3, 3)]
    assert epochs.epoch() == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_one_stream_of_all_epochs_is_read_up_to_the_place():
    epochs = Epochs(4, stream=iter(range(100)))
    begin_at(epochs, position(3, 1, first_epoch=1), Run(object(), 9, 1, 4, steps_given=True))
    assert epochs.epoch() == [(1, 9), (2, 10), (3, 11)]
    assert epochs.epoch()[0] == (0, 12)


def test_data_that_end_before_the_place():
    epochs = Epochs(4, stream=iter(range(5)))
    begin_at(epochs, position(1, 2), Run(object(), 9, 0, 4, steps_given=True))
    with pytest.raises(ValueError, match="after 6 batches.*Received: 5 batches"):
        epochs.epoch()


def test_hooks_are_found_in_whatever_fit_takes():
    hook, other = FitHook(), keras.callbacks.History()
    assert fit_hooks([other, hook]) == [hook] and fit_hooks(hook) == [hook] and fit_hooks(None) == []
    assert fit_hooks(keras.callbacks.CallbackList([hook, other])) == [hook]


def test_lengths():
    assert data_length([1, 2], None) == 2 and data_length([1, 2], 7) == 7 and data_length(iter(()), None) is None


def test_a_place_beyond_the_epoch():
    with pytest.raises(ValueError, match="Received: steps_per_epoch=3"):
        check_position(tiny(), position(0, 3), Run(None, 9, 0, 3))


def test_hooks_end_whatever_happens_and_the_data_are_as_before():
    ended = []

    class Hook(FitHook):
        def before_fit(self, model, run):
            return Position(1, 2, 5, 0, run.epochs)

        def after_fit(self):
            ended.append(True)

    data = from_arrays(vectors(), batch_size=8)
    assert train(tiny(), data=data, callbacks=[Hook()], stop=1) is None
    assert ended == [True] and data.first_batch == 0 and data.epoch == 5
    model = tiny()
    model.fit(data, verbose=0, callbacks=[StopAt(99)])
    assert int(model.step) == 4

import errno
import warnings

import pytest

from keras_ssl.callbacks.write_guard import WriteGuard


def test_a_refusal_is_said_once_until_something_could_be_written(tmp_path):
    guard, path = WriteGuard(), tmp_path / "a"

    def attempt(number):
        with guard.writing(path):
            if number:
                raise OSError(number, "No space left on device", str(path))

    with pytest.warns(UserWarning, match=r"cannot be written: .*a \(No space left on device\)") as said:
        attempt(errno.ENOSPC)
        attempt(errno.ENOSPC)
        assert guard.failing(path) and not guard.failing(tmp_path) and not guard.failing(None)
        attempt(0)
        assert not guard.failing(path)
        attempt(errno.ENOSPC)
    assert len(said) == 2


def test_other_errors_are_not_the_disks(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ZeroDivisionError), WriteGuard().writing(tmp_path):
            raise ZeroDivisionError

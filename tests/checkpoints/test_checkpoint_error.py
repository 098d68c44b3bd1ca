import pytest

from keras_ssl.checkpoints import CheckpointError
from keras_ssl.checkpoints.checkpoint_error import naming, short


def test_errors_end_with_the_path():
    with pytest.raises(CheckpointError, match=r"^It is broken\. Received: path='a\.pth'$"):
        with naming("a.pth"):
            raise CheckpointError("It is broken.")
    with pytest.raises(CheckpointError, match=r"read \(No such file or directory\)\. Received: path='a\.pth'$"):
        with naming("a.pth"):
            open("/nowhere/at/all")
    with pytest.raises(KeyError), naming("a.pth"):
        raise KeyError("others pass")
    assert issubclass(CheckpointError, ValueError)


@pytest.mark.parametrize(
    "value, text",
    [
        ("a", "'a'"),
        (None, "None"),
        (-3, "-3"),
        ("a" * 10**6, "'" + "a" * 76 + "..."),
        ([1] * 10**6, "list"),
        (10**300, "1" + "0" * 76 + "..."),
    ],
)
def test_values_of_a_file_do_not_flood_the_message(value, text):
    assert short(value) == text

"""Only commands are quiet: a program that imports the library, a module of it among them, starts as ever."""

import sys

import pytest

from keras_ssl import quiet_start

pytestmark = pytest.mark.once
SCRIPTS = str(quiet_start.Path(quiet_start.__file__).parents[1] / "scripts")


@pytest.mark.parametrize(
    ("original", "argv", "expected"),
    [
        (["python", "-m", "keras_ssl", "zoo"], ["-m", "zoo"], True),
        (["python", "-X", "dev", "-m", "keras_ssl"], ["-m"], True),
        (["python", "/venv/bin/keras-ssl", "zoo"], ["/venv/bin/keras-ssl", "zoo"], True),
        (["python", f"{SCRIPTS}/zoo.py"], [f"{SCRIPTS}/zoo.py"], True),
        (["python", "-m", "keras_ssl.testing.run_steps"], ["-m"], False),
        (["python", "-m", "pytest"], ["-m"], False),
        (["python", "train.py"], ["train.py"], False),
        (["python"], [""], False),
        (["python"], [], False),
    ],
)
def test_what_a_command_is(original, argv, expected, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", original)
    monkeypatch.setattr(sys, "argv", argv)
    assert quiet_start.is_command() is expected


def test_messages_of_an_error_are_shown(capfd):
    with quiet_start.without_messages():
        print("noise", file=sys.stderr, flush=True)
    with pytest.raises(KeyError), quiet_start.without_messages():
        print("reason", file=sys.stderr, flush=True)
        raise KeyError
    assert capfd.readouterr().err == "reason\n"

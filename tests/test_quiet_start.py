"""Only commands are quiet: a program that imports the library, a module of it among them, starts as ever."""

import re
import subprocess
import sys

import pytest

from keras_ssl import keras_backend, quiet_start

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


@pytest.mark.parametrize(
    ("original", "argv", "expected"),
    [
        (["python", "-m", "keras_ssl"], ["-m"], True),
        (["python", "-m", "keras_ssl", "--help"], ["-m", "--help"], True),
        (["python", "/venv/bin/keras-ssl", "help"], ["/venv/bin/keras-ssl", "help"], True),
        (["python", "/venv/bin/keras-ssl", "zoo", "--help"], ["/venv/bin/keras-ssl", "zoo", "--help"], False),
        (["python", f"{SCRIPTS}/zoo.py"], [f"{SCRIPTS}/zoo.py"], False),
        (["python", "train.py", "help"], ["train.py", "help"], False),
    ],
)
def test_what_asks_for_help(original, argv, expected, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", original)
    monkeypatch.setattr(sys, "argv", argv)
    assert quiet_start.asks_for_help() is expected


def test_help_imports_nothing(tmp_path):
    program = "import sys; sys.orig_argv = ['keras-ssl']; sys.argv = ['keras-ssl']\ntry: import keras_ssl\n"
    program += "except SystemExit as end: print(end.code, {'keras', 'numpy', 'tensorflow', 'jax'} & set(sys.modules))"
    root = str(quiet_start.Path(quiet_start.__file__).parents[1])
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": root})
    assert told.stdout.endswith("0 set()\n") and "  pretrain " in told.stdout, told.stderr


def test_messages_of_an_error_are_shown(capfd):
    with quiet_start.without_messages():
        print("noise", file=sys.stderr, flush=True)
    with pytest.raises(KeyError), quiet_start.without_messages():
        print("reason", file=sys.stderr, flush=True)
        raise KeyError
    assert capfd.readouterr().err == "reason\n"


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("torch", "set KERAS_BACKEND=tensorflow or KERAS_BACKEND=jax. Received: KERAS_BACKEND='torch'"),
        ("tensroflow", "Received: KERAS_BACKEND='tensroflow'"),
        (None, r"Received: backend in .*keras.json='numpy'"),
    ],
)
def test_other_backends_are_refused_in_one_sentence(setting, text, tmp_path):
    """Before Keras is imported, which would look for them itself."""
    (tmp_path / "keras.json").write_text('{"backend": "numpy"}')
    environment = {"PYTHONPATH": str(quiet_start.Path(quiet_start.__file__).parents[1]), "KERAS_HOME": str(tmp_path)}
    environment |= {} if setting is None else {"KERAS_BACKEND": setting}
    program = [sys.executable, "-c", "import keras_ssl"]
    told = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert re.search(text, told.stderr.splitlines()[-1]) and told.stderr.splitlines()[-1].startswith("ImportError: ")
    told = subprocess.run(
        [sys.executable, "-m", "keras_ssl", "methods"], capture_output=True, text=True, env=environment
    )
    assert told.returncode == 1 and re.search(f"^keras-ssl: error: .*{text}\n$", told.stderr)


def test_a_backend_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(keras_backend.importlib.util, "find_spec", lambda name: None)
    for chosen, text in (("jax", r"keras_ssl\[jax\].*KERAS_BACKEND=tensorflow"), ("tensorflow", "KERAS_BACKEND=jax")):
        monkeypatch.setenv("KERAS_BACKEND", chosen)
        with pytest.raises(ImportError, match=text):
            keras_backend.check_backend()

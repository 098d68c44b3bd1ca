"""Messages to streams that fail, in programs of their own: these have no other way to a broken standard error."""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from keras_ssl.messages import guarded_output, say, warn

# The file by itself: to import the package takes seconds.
FILE = Path(__file__).parents[1] / "keras_ssl" / "messages.py"
LOAD = f"""
import importlib.util, os, sys, warnings
spec = importlib.util.spec_from_file_location("messages", {str(FILE)!r})
messages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(messages)
"""
WORK = [
    "messages.say('out'); messages.say('err', error=True)",
    "messages.warn('something')",
    "\nwith messages.guarded_output():\n    print('x' * 100_000)\n    print('y', file=sys.stderr, flush=True)",
    "\nwith messages.guarded_output():\n    warnings.warn('z')",
]
full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")


def exit_code(program, **streams):
    return subprocess.run([sys.executable, "-c", LOAD + program], timeout=60, **streams).returncode


@full
@pytest.mark.parametrize("work", WORK)
def test_full_streams_change_no_exit_code(work):
    with open("/dev/full", "w") as nowhere:
        assert exit_code(f"{work}\nraise SystemExit(143)", stdout=nowhere, stderr=nowhere) == 143
        assert exit_code(work, stdout=nowhere, stderr=nowhere) == 0


@pytest.mark.parametrize("work", WORK)
def test_a_pipe_without_reader_changes_no_exit_code(work):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert exit_code(f"{work}\nraise SystemExit(143)", stdout=writer, stderr=writer) == 143
    finally:
        os.close(writer)


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("before", ["sys.stdout = sys.stderr = None", "sys.stderr.close(); sys.stdout.close()"])
def test_streams_that_are_none_or_closed(work, before):
    assert exit_code(f"{before}\n{work}\nos._exit(7)", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 7


def test_what_an_encoding_lacks_is_replaced(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    say("caf\u00e9 \ud800")
    assert stream.buffer.getvalue() == b"caf? ?\n"


def test_a_stream_in_use_by_interrupted_code(monkeypatch):
    class InUse(io.StringIO):
        def write(self, text):
            raise RuntimeError("reentrant call")

    monkeypatch.setattr(sys, "stderr", InUse())
    say("saved", error=True)


def test_the_streams_are_as_before(capsys):
    before = sys.stdout, sys.stderr
    with guarded_output(), guarded_output():
        print("seen")
        assert not sys.stdout.isatty() and sys.stdout.encoding == before[0].encoding
    assert (sys.stdout, sys.stderr) == before and capsys.readouterr().out == "seen\n"
    with guarded_output():
        sys.stdout = mine = io.StringIO()
    assert sys.stdout is mine
    sys.stdout = before[0]


def test_warnings_are_those_of_the_caller_and_can_be_errors():
    def caller():
        warn("this", UserWarning)

    with pytest.warns(UserWarning, match="this") as said:
        caller()
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning):
            caller()

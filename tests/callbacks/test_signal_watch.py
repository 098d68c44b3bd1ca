import os
import signal
import subprocess
import sys

import keras
import pytest

from keras_ssl.callbacks.signal_watch import SignalWatch

# The module alone, which imports nothing of the library: the process then takes milliseconds.
TWICE = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from signal_watch import SignalWatch
watch = SignalWatch((signal.SIGTERM, signal.SIGINT), lambda number: print("first", number, flush=True))
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGINT)
print("still here")
"""


def test_the_first_is_noted_and_the_old_effect_comes_back():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    seen = []
    watch = SignalWatch(before, seen.append)
    assert watch.received is None
    os.kill(os.getpid(), signal.SIGUSR1)
    assert watch.received == signal.SIGUSR1 and seen == [signal.SIGUSR1]
    watch.restore()
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="nothing of it is the backend's")
def test_the_second_kills_at_once():
    folder = os.path.dirname(sys.modules[SignalWatch.__module__].__file__)
    done = subprocess.run([sys.executable, "-c", TWICE, folder], capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT and done.stdout == "first 15\n"

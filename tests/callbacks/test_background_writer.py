import threading

import pytest

from keras_ssl.callbacks.background_writer import BackgroundWriter


def test_work_is_done_elsewhere_and_in_turn():
    writer, done, begin = BackgroundWriter(), [], threading.Event()
    writer.submit(lambda: (begin.wait(10), done.append(threading.current_thread())))
    assert not done  # the caller goes on
    begin.set()
    writer.submit(lambda: done.append("second"))
    writer.wait()
    assert done[0] is not threading.main_thread() and done[1] == "second"


def test_an_error_comes_to_light_once():
    writer, done = BackgroundWriter(), []
    writer.submit(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        writer.submit(lambda: done.append(1))
    assert not done
    writer.wait()
    writer.submit(lambda: 1 / 0)
    writer._thread.join()
    with pytest.raises(ZeroDivisionError):
        writer.check()
    writer.check()

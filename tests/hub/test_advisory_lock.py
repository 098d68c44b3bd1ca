import threading
import time

import pytest

from keras_ssl.hub import advisory_lock as module
from keras_ssl.hub.advisory_lock import advisory_lock


def test_one_waits_for_the_other(tmp_path):
    order = []
    entered = threading.Event()

    def first():
        with advisory_lock(tmp_path / "a"):
            entered.set()
            time.sleep(0.2)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with advisory_lock(tmp_path / "b"):
        assert order == []  # another file's lock
    with advisory_lock(tmp_path / "a"):
        order.append("second")
    thread.join()
    assert order == ["first", "second"] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("why", ["too long", "no locks", "no folder"])
def test_what_cannot_be_locked_goes_on(tmp_path, monkeypatch, why):
    path = tmp_path / "a"
    if why == "no locks":
        monkeypatch.setattr(module, "fcntl", None)
    if why == "no folder":
        path = tmp_path / "missing" / "a"
    monkeypatch.setattr(module, "WAIT", 0.1)
    entered = []
    with advisory_lock(path), advisory_lock(path):
        entered.append(why)
    assert entered == [why] and not list(tmp_path.iterdir())


def test_an_error_inside_frees_it(tmp_path):
    with pytest.raises(KeyError), advisory_lock(tmp_path / "a"):
        raise KeyError
    start = time.monotonic()
    with advisory_lock(tmp_path / "a"):
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("shown", [True, False])
def test_who_waits_says_so_once_and_not_for_ever(tmp_path, monkeypatch, capsys, shown):
    monkeypatch.setattr(module, "IDLE", 0.3)
    with advisory_lock(tmp_path / "a"):
        start = time.monotonic()
        with advisory_lock(tmp_path / "a", shown=shown):
            assert 0.2 < time.monotonic() - start < 5
    assert capsys.readouterr().err == ("Waiting for another process that downloads a\n" if shown else "")


def test_it_waits_longer_while_the_other_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IDLE", 0.4)
    monkeypatch.setattr(module, "_LOOK", 0.02)
    entered = threading.Event()

    def first():
        with advisory_lock(tmp_path / "a"):
            entered.set()
            for size in range(1, 11):
                (tmp_path / f".{'0' * 32}-a").write_bytes(bytes(size))
                time.sleep(0.1)
            order.append("first")

    order = []
    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with advisory_lock(tmp_path / "a"):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]

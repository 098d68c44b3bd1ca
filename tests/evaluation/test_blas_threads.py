import sys

import pytest

from keras_ssl.evaluation.blas_threads import blas_threads


def threads():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


def test_small_work_takes_one_thread_and_large_work_all():
    before = threads()
    with blas_threads(1000):
        assert set(threads()) <= {1}
    assert threads() == before
    with blas_threads(2**24):
        assert threads() == before


def test_without_threadpoolctl_nothing_is_limited(monkeypatch):
    before = threads()
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with blas_threads(1000):
        monkeypatch.undo()
        assert threads() == before

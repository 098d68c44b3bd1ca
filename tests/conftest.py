"""Every test starts from the same random numbers, and none leaves gigabytes of compiled programs to the next."""

import gc
import os
import random
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from tests.browser import browser, chromium  # noqa: F401 (fixtures)
from tests.selection.plugin import (  # noqa: F401 (hooks)
    make_plan,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure_node,
    pytest_report_header,
    pytest_runtest_setup,
)
from tests.two_replicas import two_replicas  # noqa: F401 (a fixture)

# This file is read before any test module and imports no backend: KERAS_BACKEND decides which.

# Most programs of the tests run a few times, and XLA spends a third of its time on making them fast.
QUICK_TO_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
PROGRAMS_OF_JAX = {
    "JAX_COMPILATION_CACHE_DIR": str(Path(__file__).parents[1] / ".pytest_cache" / "programs"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def pytest_configure(config):
    make_plan(config)
    if config.getoption("markexpr") != "long":  # those train for a while
        os.environ.setdefault("XLA_FLAGS", QUICK_TO_COMPILE)
        # JAX compiles every operation for every shape, most of them in several tests, both workers and every run.
        for name, value in PROGRAMS_OF_JAX.items():
            os.environ.setdefault(name, value)


MOST_BYTES = 6 * 2**30


def resident_bytes():
    """The memory of this process, where the system tells it."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


_KEPT = [0]  # bytes that were left when programs were last forgotten


@pytest.fixture(autouse=True)
def forget_programs():
    yield
    # Not after every test: the next would compile again what all share.
    if resident_bytes() > max(MOST_BYTES, _KEPT[0] + MOST_BYTES // 6):
        if "keras" in sys.modules:
            sys.modules["keras"].backend.clear_session()
        if "jax" in sys.modules:
            sys.modules["jax"].clear_caches()
        gc.collect()
        _KEPT[0] = resident_bytes()


@pytest.fixture(autouse=True)
def seeds():
    # Keras draws the seed of every initializer that has none from `random`.
    # `keras.utils.set_random_seed` would import TensorFlow under JAX.
    random.seed(0)
    np.random.seed(0)

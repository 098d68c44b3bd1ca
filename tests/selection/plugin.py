"""`pytest --gate=changed` runs what a change needs, `--gate=all` everything that is not shown twice."""

import gc
import os
import time

import pytest

from tests.selection.import_graph import ROOT
from tests.selection.plan import Plan
from tests.selection.selection import current_plan

PLAN = pytest.StashKey[Plan]()
START = time.monotonic()


def pytest_addoption(parser):
    parser.addoption("--gate", choices=("changed", "all"), help="what the change needs; or all, each test once")


def make_plan(config):
    """The plan is made once, and handed to the processes that run the tests."""
    if not config.getoption("gate", None):
        return
    if hasattr(config, "workerinput"):
        config.stash[PLAN] = Plan(**config.workerinput["plan"])
        return
    gc.disable()  # hundreds of files are parsed, and nothing of it is garbage: three times as fast
    try:
        config.stash[PLAN] = current_plan()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    finally:
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    if PLAN in node.config.stash:
        node.workerinput["plan"] = node.config.stash[PLAN].as_dict()


def pytest_report_header(config):
    if PLAN not in config.stash:
        return None
    return "gate: everything" if everything(config) else config.stash[PLAN].summary()


def everything(config):
    return config.getoption("gate") == "all" or os.environ.get("GATE_ALL", "0") not in ("", "0")


def pytest_collection_modifyitems(config, items):
    if PLAN not in config.stash:
        return
    plan, kept, left = config.stash[PLAN], [], []
    again = os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow"
    for item in items:
        path = item.path.relative_to(ROOT).as_posix() if item.path.is_relative_to(ROOT) else ""
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        kind = "long" if item.get_closest_marker("long") else "slow" if item.get_closest_marker("slow") else "quick"
        methods = plan.methods_of(path, parameters)
        wanted = everything(config) or plan.takes(path, item.nodeid, methods, kind, again)
        once = path in plan.without_backend or item.get_closest_marker("once")
        (kept if wanted and not (once and again) else left).append(item)
    config.hook.pytest_deselected(items=left)
    if minutes():
        # Files that the change has to do with come first, the others in an order that turns with the commit.
        workers = getattr(config, "workerinput", {}).get("workercount", 1)
        kept = dealt(kept, lambda item: plan.place_of_file(item.path.relative_to(ROOT).as_posix()), workers)
    items[:] = kept


def dealt(items, place, workers):
    """The items file by file in the order of their places, so that each of the equal runs that the workers begin with
    starts with the first ones."""
    files = {}
    for item in sorted(items, key=place):
        files.setdefault(item.path, []).append(item)
    hands = [[] for _ in range(workers)]
    for tests in files.values():
        min(hands, key=len).extend(tests)
    sizes = [len(items) * (n + 1) // workers - len(items) * n // workers for n in range(workers)]
    over = [item for hand, size in zip(hands, sizes, strict=True) for item in hand[size:]]
    for hand, size in zip(hands, sizes, strict=True):
        missing = max(size - len(hand), 0)
        hand[size:] = []
        hand.extend(over[:missing])
        del over[:missing]
    return [item for hand in hands for item in hand]


def minutes():
    """Minutes after which a run of the gate begins no further test; 0 for no limit."""
    return float(os.environ.get("GATE_MINUTES", "0") or 0)


def pytest_runtest_setup(item):
    if minutes() and time.monotonic() - START > 60 * minutes():
        pytest.skip("the gate's minutes are over: `make test-all` runs everything")

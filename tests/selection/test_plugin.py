"""The plugin keeps the tests of the plan, and hands the plan to the processes that run them."""

from types import SimpleNamespace

import pytest

from tests.selection import plugin
from tests.selection.import_graph import ROOT
from tests.selection.plan import Plan

FILE, OTHER = "tests/objectives/test_conformance.py", "tests/hub/test_address.py"
PLAN = Plan(
    commit="commit",
    changed=1,
    methods=["a", "b", *map(str, range(50))],
    touched=["a"],
    representatives=["b"],
    recipes={"a_digits": "a"},
    files={FILE: "all", OTHER: "none"},
    per_method=[FILE],
    without_backend=[OTHER],
)


class Config:
    def __init__(self, gate="changed", workerinput=None):
        self.stash, self.left, self.gate = pytest.Stash(), [], gate
        self.hook = SimpleNamespace(pytest_deselected=lambda items: self.left.extend(items))
        if workerinput:
            self.workerinput = workerinput

    def getoption(self, name, default=None):
        return self.gate


def item(file, *parameters, marks=()):
    found = SimpleNamespace(path=ROOT / file, nodeid=f"{file}::test[{parameters}]", marks=marks)
    found.get_closest_marker = lambda name: name in found.marks
    found.callspec = SimpleNamespace(params=dict(enumerate(parameters)))
    return found


@pytest.fixture
def kept(monkeypatch):
    def run(items, backend="tensorflow", gate="changed"):
        monkeypatch.setenv("KERAS_BACKEND", backend)
        config, kept = Config(gate), list(items)
        config.stash[plugin.PLAN] = PLAN
        plugin.pytest_collection_modifyitems(config, kept)
        assert len(kept) + len(config.left) == len(items)
        return kept

    monkeypatch.delenv("GATE_ALL", raising=False)
    return run


def test_tests_of_a_touched_method_and_of_a_representative_are_kept(kept):
    for marks in ((), ("slow",), ("long",)):
        touched, shown, recipe = (item(FILE, name, marks=marks) for name in ("a", "b", "a_digits"))
        others = [item(FILE, name, marks=marks) for name in PLAN.methods[2:]]
        found = kept([touched, shown, recipe, *others])
        assert found[:3] == [touched, shown, recipe] and len(found) < 30


def test_everything_is_kept_where_that_is_asked_for(kept, monkeypatch):
    items = [item(FILE, name, marks=("long",)) for name in PLAN.methods]
    assert kept(items, gate="all") == items
    monkeypatch.setenv("GATE_ALL", "1")
    assert kept(items) == items
    monkeypatch.setenv("GATE_ALL", "0")
    assert kept(items) != items


def test_what_needs_no_backend_is_run_under_one(kept):
    items = [item(OTHER), item(FILE, marks=("once",)), item(FILE)]
    assert kept(items, "tensorflow", "all") == items
    assert kept(items, "jax", "all") == items[2:]


def test_the_plan_is_made_once():
    controller = Config()
    controller.stash[plugin.PLAN] = PLAN
    node = SimpleNamespace(config=controller, workerinput={})
    plugin.pytest_configure_node(node)
    worker = Config(workerinput=node.workerinput)
    plugin.make_plan(worker)
    assert worker.stash[plugin.PLAN] == PLAN
    assert "methods touched: a" in plugin.pytest_report_header(controller)


def test_pytest_alone_runs_what_it_is_told():
    config, items = Config(gate=None), [item(FILE, "3")]
    plugin.make_plan(config)
    plugin.pytest_collection_modifyitems(config, items)
    assert len(items) == 1 and plugin.pytest_report_header(config) is None


def test_where_time_is_limited_what_the_change_touches_comes_first(kept, monkeypatch):
    monkeypatch.setenv("GATE_MINUTES", "5")
    mine, all_need = item("tests/new/test_mine.py"), item(FILE, "a")
    assert kept([all_need, mine]) == [mine, all_need]


def test_each_process_begins_with_what_the_change_touches(monkeypatch):
    monkeypatch.setenv("GATE_MINUTES", "5")
    first = [item(f"tests/new/test_{name}.py") for name in "abc" for _ in range(3)]
    last = [item(FILE, "a") for _ in range(9)]
    config, kept = Config(workerinput={"workercount": 2}), [*last, *first]
    config.stash[plugin.PLAN] = PLAN
    plugin.pytest_collection_modifyitems(config, kept)
    halves = kept[:9], kept[9:]
    assert sorted(each.nodeid for each in kept) == sorted(each.nodeid for each in [*first, *last])
    for half in halves:
        new = [each in first for each in half]
        assert new == sorted(new, reverse=True) and 3 <= sum(new) <= 6


def test_no_test_begins_after_the_last_minute(monkeypatch):
    monkeypatch.delenv("GATE_MINUTES", raising=False)
    plugin.pytest_runtest_setup(None)
    monkeypatch.setenv("GATE_MINUTES", "5")
    monkeypatch.setattr(plugin, "START", plugin.time.monotonic() - 299)
    plugin.pytest_runtest_setup(None)
    monkeypatch.setattr(plugin, "START", plugin.time.monotonic() - 301)
    with pytest.raises(pytest.skip.Exception, match="minutes are over"):
        plugin.pytest_runtest_setup(None)

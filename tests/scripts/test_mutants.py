"""The changes that `make mutants` makes, on a small source."""

import sys

import pytest

from scripts import mutants
from tests.selection.import_graph import ROOT, ImportGraph

SOURCE = "def double(x: int | None, factor=2):\n    return x * factor if x is not None else -1\n"


def test_every_operator_and_number_is_a_place_and_annotations_are_none():
    found = mutants.places(SOURCE, mutants.operators())
    kinds = {mutants.kind(name) for name, _ in found}
    assert kinds == {"BinaryOperator", "NumberReplacer", "UnaryOperator", "AddNot"}
    assert sum(name.endswith("NumberReplacer") for name, _ in found) == 4  # 2 and 1, each up and down
    assert len({(name, number) for name, number in found}) == len(found)


@pytest.mark.parametrize("check, outcome", [("double(3) == 6", "killed"), ("double(0) == 0", "survived")])
def test_a_change_is_dead_when_a_test_fails(tmp_path, check, outcome):
    (tmp_path / "double.py").write_text(SOURCE)
    (tmp_path / "test_double.py").write_text(f"from double import double\n\ndef test_it():\n    assert {check}\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    long\n    slow\n    parity\n")
    names = [("core/NumberReplacer", 0), ("core/ReplaceBinaryOperator_Mul_Add", 0)]
    results = [mutants.try_one(tmp_path, "double.py", *name, ["test_double.py"], 60.0) for name in names]
    assert results[0]["outcome"] == outcome
    assert results[1]["outcome"] == "killed"  # 3 + 2 and 0 + 2
    assert results[0]["change"][-1] == "+def double(x: int | None, factor= 3):"
    assert (tmp_path / "double.py").read_text() == SOURCE


def test_tests_that_take_too_long_notice_too(tmp_path):
    (tmp_path / "test_slow.py").write_text("import time\n\ndef test_it():\n    time.sleep(60)\n")
    assert mutants.run_tests(tmp_path, ["test_slow.py"], 3.0) == "too long"


def test_a_check_of_lengths_computes_nothing():
    assert mutants.only_stricter(["-    zip(a, b, strict=True)", "+    zip(a, b, strict=False)"])
    assert not mutants.only_stricter(["-    zip(a, b, strict=True) + 1", "+    zip(a, b, strict=True) + 2"])


def test_a_module_has_tests_of_its_own_and_draws_repeat():
    graph = ImportGraph(ROOT)
    assert mutants.own_tests(graph, "keras_ssl/losses/info_nce_loss.py") == ["tests/losses/test_info_nce_loss.py"]
    assert mutants.own_tests(graph, "keras_ssl/losses/distillation/decoupled_kl_loss.py")
    first, second = (list(mutants.draw(graph, 3, 1, "losses/")) for _ in range(2))
    assert first == second and len(first) == 3
    shared = ["tests/test_documented_defaults.py", "tests/test_ranges.py"]
    assert all(tests[-2:] == shared for *_, tests in first)
    assert all((ROOT / name).is_file() for names in mutants.SHARED.values() for name in names)
    assert "cosmic_ray" in sys.modules

import math
import re
from pathlib import Path

import pytest

from keras_ssl.report.results_section import _MEANING, figures_table, results_section, shown
from tests.report.pages import HOSTILE, parsed

SCRIPT = Path(__file__).parents[2] / "keras_ssl" / "cli" / "evaluate.py"
RESULTS = {
    "model": "tiny",
    "train": 6000,
    "knn": 0.68054321,
    "alpha_req": math.inf,
    "seed": 3,
    "command": f"python scripts/evaluate.py {HOSTILE}",
    "versions": {"keras": "3.15.1", "numpy": "2.4.6"},
}


def test_figures_stand_in_the_table_exactly_and_the_rest_below():
    page = parsed(results_section(RESULTS))
    cells = {cell.attributes["data-name"]: cell for cell in page.all("td", data_name=True)}
    assert {name: cell.attributes["data-value"] for name, cell in cells.items()} == {
        "train": "6000",
        "knn": "0.68054321",
        "alpha_req": "null",
    }
    assert [cell.text for cell in cells.values()] == ["6,000", "0.6805", "not finite"]
    remarks = {pair.one("dt").text: pair.one("dd").text for pair in page.one("dl").all("div")}
    assert remarks == {
        "model": "tiny",
        "seed": "3",
        "command": RESULTS["command"],
        "versions": "keras 3.15.1, numpy 2.4.6",
    }


def test_every_protocol_has_its_meaning():
    protocols = re.findall(r'^    "(\w+)": ', SCRIPT.read_text(), flags=re.MULTILINE)
    assert len(protocols) > 15
    assert set(protocols) - {"retrieval", "calibration"} | {"knn_ece", "linear_ece"} <= set(_MEANING)
    assert "effective rank" in figures_table({"rankme": 3.0})


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("train", 12345, "12,345"),
        ("knn", 0.5, "0.5000"),
        ("mean_correlation", 0.00012345, "0.0001234"),
        ("loss", -1234.56, "-1,234.6"),
        ("seconds", 2.0, "2.0"),
        ("two_nn", math.nan, "not finite"),
    ],
)
def test_precision(name, value, text):
    assert shown(name, value) == text

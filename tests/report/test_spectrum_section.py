import numpy as np
import pytest

from keras_ssl import evaluation
from keras_ssl.report.spectrum_section import spectrum_section
from tests.report.pages import parsed


def figures(page):
    return {cell.attributes["data-name"]: cell.attributes["data-value"] for cell in page.all("td", data_name=True)}


def test_measures_are_those_of_the_library_and_those_already_measured():
    features = np.random.default_rng(0).normal(size=(50, 8)).astype("float32")
    page = parsed(spectrum_section(features, {"nesum": 123.5}))
    shown = figures(page)
    assert shown["nesum"] == "123.5"
    for name in ("rankme", "singular_value_entropy", "alpha_req", "feature_std", "mean_correlation"):
        assert float(shown[name]) == pytest.approx(getattr(evaluation, name)(features), rel=1e-12)
    assert "50 features of 8 dimensions" in page.text and "at most 8" in page.text
    texts = [node.text for node in page.all("text")]
    assert "as given" in texts and "centered" in texts and "100%" in texts


@pytest.mark.parametrize(
    "features", [np.zeros((20, 4)), np.ones((20, 4)), np.ones((1, 4)), np.ones((2, 1)), np.outer(range(9), range(5))]
)
def test_collapsed_and_few_features(features):
    page = parsed(spectrum_section(features.astype("float32"), {}))
    assert page.one("svg") and float(figures(page)["rankme"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_a_spectrum_of_two_values_is_drawn_at_their_ratio():
    """Singular values 100 and 1: the line goes from 100 % to 1 %, of the two decades of the picture."""
    page = parsed(spectrum_section(np.array([[100.0, 0.0], [0.0, 1.0]]), {}))
    assert {"100%", "10%", "1%"} <= {node.text for node in page.all("text")}

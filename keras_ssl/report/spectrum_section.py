"""How many directions the features use: their singular values, and the measures that sum these up."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_ssl import evaluation
from keras_ssl.evaluation.spectrum import covariance_eigenvalues, singular_values
from keras_ssl.report.figure import ACCENT, INK, draw
from keras_ssl.report.markup import Markup, element, section, sentence
from keras_ssl.report.results_section import figures_table, is_figure

# Those that take no longer than the spectrum itself; what they ask for is the least number of samples.
_MEASURES = {
    "rankme": (evaluation.rankme, 1),
    "singular_value_entropy": (evaluation.singular_value_entropy, 2),
    "alpha_req": (evaluation.alpha_req, 2),
    "nesum": (evaluation.nesum, 2),
    "feature_std": (evaluation.feature_std, 2),
    "mean_correlation": (evaluation.mean_correlation, 2),
}
_FLOOR = 1e-8  # of the picture: below this share of the largest there is nothing but rounding


def spectrum_section(features: np.ndarray, results: Mapping[str, Any]) -> Markup:
    """The singular values as given and centered, as shares of the largest, beside the measures of rank.

    Args:
        features: finite, `[N, D]`.
        results: figures measured already; they are not measured again.
    """
    measures = {
        name: results[name] if is_figure(results.get(name)) else measure(features)
        for name, (measure, least) in _MEASURES.items()
        if len(features) >= least
    }
    count, dimension = features.shape
    spectra = {
        "as given": singular_values(features),
        "centered": np.sqrt(covariance_eigenvalues(features)) if count > 1 else np.zeros(0),
    }
    picture = draw(
        "spectrum",
        f"Singular values of {count} features of {dimension} dimensions",
        (5.6, 3.6),
        lambda figure: _paint(figure, spectra, dimension),
    )
    return section(
        "spectrum",
        "Spectrum",
        sentence(
            f"Singular values of the {count:,} features of {dimension:,} dimensions, as shares of the largest; there "
            f"are at most {min(count, dimension):,}. A line that falls off a cliff is dimensional collapse."
        ),
        element("div", picture, figures_table(measures), class_="beside"),
    )


def _paint(figure: Any, spectra: Mapping[str, np.ndarray], dimension: int) -> None:
    axes = figure.add_subplot()
    axes.set_yscale("log")
    least = 0.1
    for (name, values), color, style in zip(spectra.items(), (ACCENT, INK), ("-", "--"), strict=True):
        if len(values) and values[0] > 0:
            shares = np.maximum(values / values[0], _FLOOR)
            marker = "." if len(values) < 10 else None
            axes.plot(np.arange(1, len(values) + 1), shares, style, color=color, label=name, marker=marker)
            least = min(least, float(shares[-1]))
    axes.set_ylim(10 ** np.floor(np.log10(least)) * 0.8, 1.5)
    axes.set_xlim(0, dimension + 1)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.6%}".rstrip("0%").rstrip(".") + "%")
    axes.minorticks_off()
    axes.set_xlabel("number")
    axes.set_ylabel("share of the largest")
    axes.grid()
    if axes.lines:
        axes.legend(frameon=False, loc="upper right")

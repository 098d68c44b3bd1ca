import importlib

import keras
import numpy as np
import pytest


def test_the_exponent_of_a_power_is_found_and_has_no_error(script):
    growth = script("growth")
    sizes = np.array([64.0, 128.0, 512.0, 4096.0])
    assert growth.exponent(sizes, 3.0 * sizes**1.7) == pytest.approx((1.7, 0.0), abs=1e-9)


def test_the_standard_error_is_that_of_a_least_squares_line(script):
    growth = script("growth")
    x = np.log([1.0, 2.0, 4.0, 8.0, 16.0])
    y = np.array([0.1, 0.9, 1.2, 2.3, 2.7])
    design = np.stack([np.ones(5), x], axis=1)
    solution, (square,), *_ = np.linalg.lstsq(design, y, rcond=None)
    covariance = square / 3 * np.linalg.inv(design.T @ design)
    found = growth.exponent(np.exp(x), np.exp(y))
    assert found == pytest.approx((solution[1], covariance[1, 1] ** 0.5))


def test_a_growth_above_its_limit_is_not_met_and_a_failure_says_why(script, tmp_path):
    growth = script("growth")
    axis = growth.AXES[0]
    sizes = axis.sizes
    flat = growth.Growth(axis, sizes, [1e-4] * len(sizes), [1e6] * len(sizes))
    steep = growth.Growth(axis, sizes, [1e-6 * size for size in sizes], [1e6] * len(sizes))
    assert flat.cells()[-1] == "yes" and flat.cells()[3] == "0.00 ± 0.00"
    assert steep.cells()[-1] == "no" and steep.cells()[3] == "1.00 ± 0.00"
    assert growth.Growth(axis, note="no memory").cells()[-1] == "not measured: no memory"
    growth.draw([flat, steep], tmp_path / "growth.svg")
    picture = (tmp_path / "growth.svg").read_text()
    assert "slope 1.00" in picture and axis.name in picture


def test_the_sizes_are_those_of_the_claim(script):
    sizes = {axis.name.split(",")[0]: axis.sizes for axis in script("growth").AXES}
    ends = {name: (found[0], found[-1]) for name, found in sizes.items()}
    assert ends == {"batch": (64, 4096), "queue": (4096, 65536), "projector": (512, 8192), "views": (2, 10)}


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts a TensorFlow graph")
def test_a_round_times_each_size_and_counts_its_operations():
    worker = importlib.import_module("keras_ssl_growth")
    point = {"objective": "BarlowTwins", "views": 2, "batch_size": 8}
    run, _ = worker.steps([{**point, "arguments": {"projector": [width]}} for width in (64, 512)])
    answer = run()
    assert all(seconds > 0 for seconds in answer["seconds_per_image"])
    small, large = answer["operations_per_image"]
    # At least the three products of the cross-correlation, [D, 8] by [8, D], two operations for each element.
    assert large - small > 3 * 2 * (512**2 - 64**2)

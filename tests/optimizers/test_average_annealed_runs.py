import numpy as np
import pytest

from keras_ssl.optimizers import average_annealed_runs


def test_means_of_each_weight_in_the_type_of_the_first_run():
    rng = np.random.default_rng(0)
    runs = [[rng.normal(size=(3, 2)).astype("float32"), np.array(5 + i, "int32")] for i in range(3)]
    kernel, counter = average_annealed_runs(runs)
    for place in np.ndindex(3, 2):
        assert kernel[place] == pytest.approx(sum(float(run[0][place]) for run in runs) / 3)
    assert kernel.dtype == np.float32 and counter == 5 and counter.dtype == np.int32


def test_one_run_and_equal_runs_come_back():
    weights = [np.array([1.5, 2.5], "float16")]
    for runs in ([weights], [weights] * 4):
        [averaged] = average_annealed_runs(runs)
        assert averaged.dtype == np.float16 and averaged.tolist() == [1.5, 2.5]


def test_large_halves_do_not_overflow():
    assert average_annealed_runs([[np.array([60_000.0], "float16")]] * 3)[0].tolist() == [60_000.0]


@pytest.mark.parametrize(
    "runs",
    [[], [[np.zeros(2)], [np.zeros(3)]], [[np.zeros(2)], []], [[np.array([np.nan])]], [[np.array([np.inf])]]],
)
def test_rejects_runs_that_do_not_go_together(runs):
    with pytest.raises(ValueError, match="`runs`.*Received: runs="):
        average_annealed_runs(runs)

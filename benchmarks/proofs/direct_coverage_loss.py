"""pass@8 on test digits after training to the end on 100 of them: direct coverage loss, and cross-entropy."""

from benchmarks.proofs._calibrated import accuracy, logits, network, small_digits, softmax, train
from benchmarks.proofs._shared import Timed

NAME = "direct_coverage_loss"
MEASURE = "pass@8"  # the higher, the better
METHOD, BASELINE = "N 8", "cross-entropy (N 1)"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.evaluation import expected_calibration_error, pass_at_n
    from keras_ssl.losses import DirectCoverageLoss

    x, y, x_test, y_test = small_digits(seed, 100)
    found = Timed()
    for name, attempts in (("N 8", 8), ("cross-entropy (N 1)", 1)):
        model = train(network(seed), DirectCoverageLoss(attempts), x, y, 150)
        p = softmax(logits(model, x_test))
        found[name] = pass_at_n(p, y_test, 8)
        found[f"{name}, accuracy"] = accuracy(model, x_test, y_test)
        found[f"{name}, calibration error"] = expected_calibration_error(p, y_test)
    return found

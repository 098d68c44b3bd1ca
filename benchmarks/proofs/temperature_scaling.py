"""Calibration error on test digits, of a network trained on 200 of them: with one temperature, and as it is."""

from benchmarks.proofs._calibrated import cross_entropy, logits, network, small_digits, softmax, train

NAME = "TemperatureScaling"
MEASURE = "calibration error"
METHOD, BASELINE = "TemperatureScaling", "as it is"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    from keras_ssl.evaluation import TemperatureScaling, expected_calibration_error

    x, y, x_test, y_test = small_digits(seed, 1000)
    model = train(network(seed), cross_entropy(), x[:200], y[:200], 100)
    f = logits(model, x_test)
    calibrator = TemperatureScaling().fit(logits(model, x[200:]), y[200:])
    return {
        "TemperatureScaling": expected_calibration_error(calibrator(f), y_test),
        "as it is": expected_calibration_error(softmax(f), y_test),
        "temperature": calibrator.temperature_,
    }

"""Fooling rate of a linear probe on Barlow Twins' features: one universal perturbation, and noise of the same size."""

NAME = "AdvEncoder"
MEASURE = "fooling rate"  # the higher, the stronger the attack
METHOD, BASELINE = "AdvEncoder", "random signs"
EPSILON = 10 / 255


def run(seed: int) -> dict[str, float]:
    import numpy as np

    import keras_ssl
    from benchmarks.proofs._shared import digits
    from keras_ssl.attacks import AdvEncoder, UniversalPerturbation, fooling_rate
    from keras_ssl.evaluation import extract_features, linear_predict

    x, y, x_test, _ = digits()
    x, x_test = (x / 255).astype("float32"), (x_test / 255).astype("float32")
    encoder = keras_ssl.load("saved_models/barlow_digits")
    features = extract_features(encoder, x)
    images = x_test[:1000]

    def predictions(part: np.ndarray) -> np.ndarray:
        return linear_predict(features, y, extract_features(encoder, part))

    clean = predictions(images)
    attack = AdvEncoder(encoder, EPSILON, radius=4, seed=seed).fit(x[:2000], epochs=4)
    signs = np.random.default_rng(seed).choice([-EPSILON, EPSILON], size=images.shape[1:])
    noise = UniversalPerturbation(signs, EPSILON)
    return {
        "AdvEncoder": fooling_rate(clean, predictions(attack(images))),
        "random signs": fooling_rate(clean, predictions(noise(images))),
    }

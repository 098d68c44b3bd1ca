"""Linear accuracy of Barlow Twins' features of digits of 8 pixels: resized and normalized as recorded, and not."""

from benchmarks.proofs._shared import Timed

NAME = "FeatureExtractor"
MEASURE = "linear accuracy"  # the higher, the better
METHOD, BASELINE = "as recorded", "as they are"


def run(seed: int) -> dict[str, float]:
    import numpy as np

    from benchmarks.proofs._shared import digits
    from keras_ssl.evaluation import EncoderSpec, FeatureExtractor, image_statistics, linear_probe

    x, y, x_test, y_test = digits()
    order = np.random.default_rng(seed).permutation(len(x))[:2000]
    x, y = x[order], y[order]
    small = [part.reshape(len(part), 8, 2, 8, 2, 3).mean(axis=(2, 4)).astype("uint8") for part in (x, x_test)]
    recorded = FeatureExtractor.load("saved_models/barlow_digits", size=16)  # the size that it was trained with
    encoder, spec = recorded.encoder, recorded.spec

    def linear(extract: object) -> float:
        return linear_probe(extract(small[0]), y, extract(small[1]), y_test)  # type: ignore[operator]

    found = Timed()
    found["as recorded"] = linear(recorded)
    found["as they are"] = linear(FeatureExtractor(encoder, EncoderSpec(mean=0.0, std=1.0)))
    found["normalized only"] = linear(FeatureExtractor(encoder, EncoderSpec(mean=spec.mean, std=spec.std)))
    found["resized only"] = linear(FeatureExtractor(encoder, EncoderSpec(size=16, mean=0.0, std=1.0)))
    found["image statistics"] = linear(image_statistics)
    return found

"""Accuracy of new networks that learn from ten images, one for each digit, by the same steps: distilled, and the real
images that are nearest to the mean of their digit."""

import numpy as np

from benchmarks.proofs._selection import accuracy, network, small_digits

NAME = "TrajectoryMatchingDistillation"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "distilled", "representative images"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.data import TrajectoryMatchingDistillation

    x, y, x_test, y_test = small_digits(seed)
    distillation = TrajectoryMatchingDistillation(
        network(), expert_steps=2, student_steps=10, max_start=6, rate=0.2, image_rate=0.01, seed=seed
    )
    experts = [
        distillation.train_expert(x, y, 8, 0.1, 32, clip=(0.5, 0.6, 0.7, 0.8, 0.9), penalty=1e-3, seed=10 * seed + k)
        for k in range(3)
    ]
    start = distillation.initial_images(x, y, 1)
    images, labels, rate = distillation.distill(x, y, experts, per_class=1, steps=200)
    found = {"distilled": 0.0, "representative images": 0.0, "rate": rate}
    for name, (inputs, classes) in {"distilled": (images, labels), "representative images": start}.items():
        scores = []
        for number in range(2):
            keras.utils.set_random_seed(1000 * seed + number)
            model = network()
            model.compile(keras.optimizers.SGD(rate), model.loss)
            model.fit(inputs, classes, batch_size=10, epochs=100, verbose=0)
            scores.append(accuracy(model, x_test, y_test))
        found[name] = float(np.mean(scores))
    return found

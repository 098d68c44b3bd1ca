"""Loss on test images of a wide network: at the rate that a law fitted to tuned narrow networks predicts, and at the
best rate of the widest of these."""

import numpy as np

from benchmarks.proofs._digit_domains import digits

NAME = "step_law"
MEASURE = "loss on test images"
METHOD, BASELINE = "predicted rate", "rate of the narrow network"
LOWER_IS_BETTER = True
RATES = np.geomspace(3e-4, 0.1, 11)


def run(seed: int) -> dict[str, float]:
    from keras_ssl.schedules import fit_power_law, step_law

    data = digits(seed, 1000)
    sizes, best = [], []
    for width in (8, 16, 32, 64):
        for steps in (75, 150, 300):
            losses = [np.mean([_loss(data, width, steps, rate, seed + k) for k in range(2)]) for rate in RATES]
            sizes.append((75.0 * width + 10.0, 50.0 * steps))
            best.append(_bottom(np.array(losses)))
    law = fit_power_law(np.array(sizes), np.array(best))
    width, steps = 512, 600
    predicted = step_law(75.0 * width + 10.0, 50.0 * steps, rate_law=law).learning_rate
    chosen = {"predicted rate": predicted, "rate of the narrow network": best[-1]}
    found = {name: _loss(data, width, steps, rate, seed) for name, rate in chosen.items()}
    found["best rate of a grid"] = min(_loss(data, width, steps, rate, seed) for rate in RATES)
    return {**found, "exponent of parameters": law.exponents[0], "exponent of samples": law.exponents[1]}


def _bottom(losses: np.ndarray) -> float:
    """The rate at the bottom of a parabola through the best point of the grid and its neighbors."""
    place = int(np.clip(np.argmin(losses), 1, len(losses) - 2))
    below, here, above = losses[place - 1 : place + 2]
    bend = below - 2.0 * here + above
    shift = float(np.clip(0.5 * (below - above) / bend, -1.0, 1.0)) if bend > 0.0 else 0.0
    return float(RATES[place] * (RATES[1] / RATES[0]) ** shift)


def _loss(data: tuple[np.ndarray, ...], width: int, steps: int, rate: float, seed: int) -> float:
    """Test loss of a network of one hidden layer after so many steps of Adam with linear decay."""
    x, y, x_test, y_test = data
    rng = np.random.default_rng(seed)
    weights = [
        rng.normal(size=(64, width)) / 8.0,
        np.zeros(width),
        rng.normal(size=(width, 10)) / width**0.5,
        np.zeros(10),
    ]
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    for step in range(steps):
        rows = rng.integers(0, len(x), 50)
        hidden, chances = _forward(weights, x[rows])
        chances[np.arange(50), y[rows]] -= 1.0
        error = chances / 50.0
        back = (error @ weights[2].T) * (hidden > 0.0)
        gradients = [x[rows].T @ back, back.sum(0), hidden.T @ error, error.sum(0)]
        now = rate * (1.0 - step / steps)
        for i, g in enumerate(gradients):
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.999 * second[i] + 0.001 * g * g
            root = np.sqrt(second[i] / (1.0 - 0.999 ** (step + 1))) + 1e-8
            weights[i] = weights[i] - now * first[i] / (1.0 - 0.9 ** (step + 1)) / root
    _, chances = _forward(weights, x_test)
    return float(-np.log(chances[np.arange(len(y_test)), y_test] + 1e-12).mean())


def _forward(weights: list[np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hidden = np.maximum(x @ weights[0] + weights[1], 0.0)
    logits = hidden @ weights[2] + weights[3]
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return hidden, chances / chances.sum(axis=1, keepdims=True)

"""Relative error of the trace of a Hessian after 100 products: by random signs, and by random coordinates."""

import numpy as np

NAME = "hessian_trace"
MEASURE = "relative error"
METHOD, BASELINE = "random signs", "random coordinates"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras
    from sklearn.datasets import load_digits

    from keras_ssl.evaluation import hessian_trace
    from keras_ssl.training.derivatives import hessian_vector_product

    keras.utils.set_random_seed(seed)
    x, y = load_digits(return_X_y=True)
    x = (x[:300] / 16).astype("float32")
    y = y[:300]
    model = keras.Sequential(
        [keras.layers.Input((64,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(x, y, epochs=20, verbose=0)
    exact = hessian_trace(model, loss, (x, y), samples=None)
    signs = hessian_trace(model, loss, (x, y), samples=100, seed=seed)
    # Entries of the diagonal at random places, scaled to their number.
    variables = model.trainable_variables
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    places = np.random.default_rng(seed).choice(sum(sizes), 100, replace=False)
    entries = []
    for place in places:
        unit = np.zeros(sum(sizes), "float32")
        unit[place] = 1
        parts = np.split(unit, np.cumsum(sizes)[:-1])
        vectors = [part.reshape(tuple(v.shape)) for part, v in zip(parts, variables, strict=True)]
        products = hessian_vector_product(lambda: loss(y, model(x)), model, variables, vectors)
        entries.append(np.concatenate([np.ravel(keras.ops.convert_to_numpy(part)) for part in products])[place])
    coordinates = float(np.mean(entries)) * sum(sizes)
    return {
        "random signs": abs(signs - exact) / exact,
        "random coordinates": abs(coordinates - exact) / exact,
        "exact trace": exact,
    }

"""A training run of an objective under its authors' names."""

import numpy as np

from keras_ssl.hub import head_weights, named_weights


def published_run(model):
    """Drawn weights of the objective under its authors' names, in nested dicts."""
    encoder, heads = named_weights(model.encoder), head_weights(model)
    teacher = getattr(model, "teacher", None)
    table = model.run_layout.table(encoder, heads, teacher.modules[0].name if teacher else "")
    variables = {**encoder, **heads}
    assert sorted(weight.name for weight in table.weights.values()) == sorted(variables)
    rng, tree, arrays = np.random.default_rng(0), {}, {}
    for key, weight in table.weights.items():
        shape = tuple(variables[weight.name].shape)
        shape = np.transpose(np.empty(shape), {4: (3, 2, 0, 1)}.get(len(shape))).shape
        if key.endswith(("cls_token", "pos_embed")):
            shape = (1, *variables[weight.name].shape)
        if key.endswith("mask_token"):
            shape = (1, 1, *shape)
        array = rng.normal(size=shape).astype("float32")
        arrays[weight.name] = weight.transform(array)
        *path, last = key.split(".")
        root = tree.setdefault(path[0], {})
        root[".".join(["module", *path[1:], last])] = array
    return tree, arrays

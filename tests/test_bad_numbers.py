"""Every number that schedules, optimizers' helpers, selectors and evaluations take: what cannot be meant is refused.

The test finds the numbers by signatures. A number that is not finite, a negative one, a fraction where a count is asked
for: each must raise a ValueError that says what was received. What is legal all the same stands in a table below, with
the reason; what is not called here, in another. Neither can hold more than there is.
"""

import inspect

import keras
import numpy as np
import pytest

from keras_ssl import callbacks, data, evaluation, optimizers, schedules

RNG = np.random.default_rng(0)
Y = np.arange(24) % 3
X = 3 * np.eye(3, 4)[Y] + RNG.standard_normal((24, 4))
P = RNG.dirichlet(np.ones(3), size=24)
MASKS = np.zeros((2, 6, 6), bool)
MASKS[:, 2:5, 1:4] = True
IMAGES = RNG.integers(0, 255, (8, 6, 6, 3)).astype("uint8")
TOKENS = RNG.normal(size=(2, 3, 3, 4)).astype("float32")
PLACES = RNG.uniform(0, 6, (24, 3, 2))
ACTIVE = np.maximum(X, 0)
VECTORS = [[keras.ops.convert_to_tensor([1.0, 2.0])], [keras.ops.convert_to_tensor([1.0, -1.0])]]


def network():
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])


# What stands for an argument without default, by its name; `name.argument` where that is not enough.
GIVEN = {
    **dict.fromkeys(("features", "train_features", "test_features", "x", "queries"), X),
    **dict.fromkeys(("labels", "train_labels", "test_labels", "predictions", "groups", "true_labels"), Y),
    **{"other_features": X[::-1], "probabilities": P, "masks": MASKS, "true_masks": MASKS, "images": IMAGES},
    **{"kernel": X @ X.T, "targets": Y - 1.0, "ridge": 0.1, "weight": 0.5, "rounds": 2, "clusters": 2, "classes": 3},
    **{"locations": PLACES, "noisy_locations": PLACES + 0.1, "parts": PLACES, "prototype_classes": [0, 1, 2]},
    **{"activations": ACTIVE, "jacobians": RNG.normal(size=(24, 2, 4)), "attempts": 2, "drawn": 4, "correct": [1, 2]},
    **{"losses": [1.0, 0.5, 0.4, 0.35], "initial_loss": 2.0, "fraction": 0.5, "subsets": [[1, 2], [2, 3], [4]]},
    **{"peak": 0.1, "constant": 0.05, "total_steps": 100, "cycle_steps": 50, "phase_steps": [50, 50], "compute": 1e9},
    **{
        "low": 0.01,
        "high": 1.0,
        "base": 0.9,
        "switch_step": 10,
        "step": 5,
        "count": 10,
        "steps": 20,
        "norms": [1.0, 2],
    },
    **{"learning_rate": 0.1, "batch_size": 256, "parameters": 1e6, "tokens": 1e8, "gradients": VECTORS, "size": 4},
    **{"budget": 3, "metadata": ["a"], "limit": 2.0, "task": Y, "skill": Y, "graph": np.eye(3), "samples": 24},
    **{
        "specialized": [0, 1],
        "general": [2, 3, 4],
        "y": Y,
        "weights": np.eye(3)[::-1] * (1 - np.eye(3)),
        "annotations": 0,
    },
    **{
        "rule": "mean",
        "rho": 0.05,
        "student": X,
        "teacher": X[::-1],
        "interactions": np.eye(4),
        "modules": [0, 0, 1, 1],
    },
    "LateAnneal.base": 0.1,
    "InfiniteLearningRate.constant": 0.1,
    "stability_noise.images": IMAGES.astype("float32") / 255,
    "sam_gradients.gradient": lambda values: values,
    "sam_gradients.values": VECTORS[0],
    "SubsetShiftBenchmark.annotations": {"place": ["a", "b"] * 12},
    "optimal_distillation_weight.targets": X,
    "interaction_modularity.interactions": np.eye(4),
    "label_propagation.features": X.reshape(2, 3, 4, 4),
    "label_propagation.first_labels": np.zeros((3, 4), int),
    "RampUp.steps": 20,
    "model": network,
    "LazinessMonitor.x": X,
    "AttentionLogitMonitor.inputs": X,
    "sam_perturbed.gradients": VECTORS[0],
    "sam_perturbed.values": VECTORS[1],
    "prototype_locations.activations": RNG.uniform(size=(4, 3, 3, 5)),
    "prototype_locations.image_size": 6,
    "video_segmentation.labels": MASKS.astype(int),
    "video_segmentation.true_labels": MASKS.astype(int),
    "singular_value_spread.features": X,
    "activation_jacobians.function": lambda a: a,
    "activation_jacobians.activations": ACTIVE.astype("float32"),
    "sub.queries": Y,
    "view.views": None,
    "blocks": [[keras.Variable([1.0])]],
    "fit_exponential_loss.steps": [0, 1, 2, 3],
    "Throughput.batch_size": 32,
    "GaussianProcessLR.low": 0.01,
    "tangent_kernel.model": network,
    **dict.fromkeys(("adjusted_rand_index.labels", "adjusted_rand_index.true_labels"), MASKS.astype(int)),
    "attention_foreground.attention": np.full((2, 3, 3), 1 / 9),
    **dict.fromkeys(("cluster_patches.features", "object_discovery.features", "token_cut.features"), TOKENS),
    **dict.fromkeys(("train_masks", "object_discovery.masks", "corloc.masks"), MASKS.astype(int)),
    **{"knn_segmentation.masks": MASKS.astype(int), "linear_segmentation.masks": MASKS.astype(int)},
    **dict.fromkeys(("knn_segmentation.features", "knn_segmentation.train_features"), TOKENS),
    **dict.fromkeys(("linear_segmentation.features", "linear_segmentation.train_features"), TOKENS),
    **dict.fromkeys(("patch_correspondence.first", "patch_correspondence.second"), TOKENS),
    "patch_correspondence.places": np.zeros((2, 3, 3, 2), int),
    **{"score": lambda x: -x, "start": X, "step_size": 0.1},
    "pixel_labels.labels": np.zeros((2, 3, 3), int),
    **{"corloc.found": MASKS, "patch_size": 2, "height": 6, "width": 6, "grid": (3, 3)},
    "hessian_trace.model": network,
    "log_dir": "logs",
    "folder": "run",
    "data": X,
    "LateStageCurriculum.proportions": [1.0],
    "ReplayMixture.new": (X, Y),
    "ReplayMixture.old": (X, Y),
    "layerwise_probe.x_test": X,
    "layerwise_probe.y_test": Y,
    "x_train": X,
    "ratio": 2.0,
}
# Numbers that are not checked here: what they belong to reads files, trains, or is a record of results.
ELSEWHERE = {
    *(
        "extract_features",
        "few_shot",
        "finetune",
        "compare_encoders",
        "EncoderComparison",
        "from_tf_data",
        "rank_checkpoints",
        "save_features",
        "view_features",
        "hessian_trace",
    ),
    *("robustness_report", "layerwise_probe", "Checkpoint", "TensorBoard", "LateStageCurriculum", "PreparedImages"),
    *("ReplayMixture", "DataMixture", "KRRSelfSupervisedDistillation", "TrajectoryMatchingDistillation"),
    *("from_arrays", "from_folder", "from_streams", "from_tfrecords", "identity_batches", "identity_pairs"),
    *("load_folder", "write_tfrecords", "colored_digits", "SubPseudoLabel", "EncoderSpec", "CollapseDoctor"),
    *("OnlineKNN", "OnlineLinearProbe", "OnlineRankMe", "correlate_identities", "identity_noise", "nearest_edges"),
    *("ExponentialLoss", "NeuronMatching", "PowerLaw", "RankedCheckpoint"),
    *("transitive_pairs", "SubsetConflict", "restore_checkpoint", "WeightedSelfDistillation", "dense_evaluation"),
    *("attentive_probe", "patch_features", "digit_scenes", "load_masks"),
}
RECORDS = {
    name
    for package in (schedules, evaluation, data)
    for name in package.__all__
    if hasattr(getattr(package, name), "_fields")
}
# Of an optimizer tests/optimizers/test_arguments.py asks the same.
OPTIMIZERS = {name for name in optimizers.__all__ if inspect.isclass(getattr(optimizers, name))}
# What is meant by a number that looks wrong: see the docstrings.
LEGAL = {
    ("GMMThreshold", "default"): (-1.0,),  # scores may be negative
    ("LossReweighting", "initial_temperature"): (float("inf"),),  # even weights
    ("LossReweighting", "temperature"): (float("inf"),),
    ("MetadataBalancedSampler", "limit"): (float("inf"),),  # keeps all that match
    ("expected_calibration_error", "norm"): (float("inf"),),  # the largest gap
    ("learning_rate_sensitivity", "initial_loss"): (-1.0,),
    ("token_cut", "threshold"): (-1.0,),  # of a cosine
    ("video_segmentation", "background"): (-1,),
}
# Arrays with NaN or infinity that mean something: losses of runs that diverged.
LEGAL_ARRAYS = {"learning_rate_sensitivity"}
# Labels of this number are taken: predictions may all be -1, which is wrong everywhere; labels that stand alone have no
# other number; prototypes without an image of their class have no share, NaN.
FREE_LABELS = {
    "mean_iou": (24,),
    "stratified_subset": (23,),
    "prototype_consistency": (24,),
    "prototype_stability": (24,),
}


def asked(package, name):
    """Whether the tables leave a name to this test."""
    found = getattr(package, name)
    error = inspect.isclass(found) and issubclass(found, Exception | Warning)
    return name not in ELSEWHERE | RECORDS and callable(found) and not error


def numbers():
    """Every function or class, each of its numbers, and what is wrong with a value."""
    for package in (schedules, optimizers, evaluation, data, callbacks):
        for name in package.__all__:
            if name in OPTIMIZERS or not asked(package, name):
                continue
            for parameter in inspect.signature(getattr(package, name)).parameters.values():
                kind = str(parameter.annotation).replace("<class '", "").replace("'>", "")
                parts = {part.strip() for part in kind.split("|")}
                if not parts & {"int", "float"}:
                    continue
                wrong = [float("nan"), float("inf"), float("-inf"), -1.0]
                if "float" not in parts:
                    wrong = [float("nan"), float("inf"), -1, 1.5]
                for value in wrong:
                    if value not in LEGAL.get((name, parameter.name), ()) or value != value:
                        yield package, name, parameter.name, value


def call(package, name, changed, value):
    given = {}
    for parameter in inspect.signature(getattr(package, name)).parameters.values():
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            found = GIVEN.get(f"{name}.{parameter.name}", GIVEN.get(parameter.name, "none"))
            given[parameter.name] = found() if found is network else found
    return getattr(package, name)(**{**given, changed: value})


@pytest.mark.parametrize(
    ("package", "name", "argument", "value"),
    [pytest.param(*case, id=f"{case[1]}-{case[2]}-{case[3]}") for case in numbers()],
)
def test_refuses(package, name, argument, value):
    with pytest.raises(ValueError, match="Received: ") as caught:
        call(package, name, argument, value)
    assert argument in str(caught.value)


ARRAYS = {
    *("features", "other_features", "train_features", "test_features", "probabilities", "kernel", "targets"),
    *("activations", "jacobians", "losses", "locations", "noisy_locations", "interactions", "student", "teacher"),
    *("weights", "norms"),
}
LABELS = {"labels", "train_labels", "test_labels", "true_labels"}


def arrays(names):
    for package in (schedules, evaluation, data):
        for name in package.__all__:
            if not asked(package, name):
                continue
            for parameter in inspect.signature(getattr(package, name)).parameters.values():
                if parameter.name in names and parameter.default is parameter.empty:
                    yield pytest.param(package, name, parameter.name, id=f"{name}-{parameter.name}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("package", "name", "argument"), list(arrays(ARRAYS)))
def test_refuses_arrays_that_are_not_finite(package, name, argument, value):
    if name in LEGAL_ARRAYS:
        assert np.isfinite(call(package, name, argument, [1.0, value]))
        return
    given = np.array(GIVEN.get(f"{name}.{argument}", GIVEN[argument]), "float64")
    given.reshape(-1)[3 % given.size] = value
    with pytest.raises(ValueError, match="Received: "):
        call(package, name, argument, given)


@pytest.mark.parametrize(("package", "name", "argument"), list(arrays(LABELS)))
def test_refuses_labels_without_any_and_of_another_number(package, name, argument):
    for labels in (np.full(24, -1), Y[:-1], np.zeros(0, int)):
        if len(labels) in FREE_LABELS.get(name, ()):
            continue
        with pytest.raises(ValueError, match="Received: "):
            call(package, name, argument, labels)


def test_the_tables_hold_no_more_than_there_is():
    known = {name for package in (schedules, optimizers, evaluation, data, callbacks) for name in package.__all__}
    assert {name for name, _ in LEGAL} <= known
    assert known >= ELSEWHERE

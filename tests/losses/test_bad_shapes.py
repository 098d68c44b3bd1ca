"""Arguments that do not belong together are errors: broadcasting would make a number of them."""

import numpy as np
import pytest

from keras_ssl import losses

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 5, 4)).astype("float32")
P, Q = np.exp(A) / np.exp(A).sum(1, keepdims=True), np.exp(B) / np.exp(B).sum(1, keepdims=True)
Y = np.array([0, 1, 2, 3, 1])
HALF = np.full(5, 0.5, "float32")
EVEN = np.full(4, 0.25, "float32")
MAPS = RNG.normal(size=(2, 3, 3, 2)).astype("float32")

SHAPES = {
    "teacher": [
        lambda: losses.mean_teacher_loss(A, B[:1]),
        lambda: losses.masked_consistency_loss(A, B[:, :3]),
        lambda: losses.region_consistency_loss(A, B[:1], Y),
    ],
    "strong": [
        lambda: losses.uda_loss(A, B[:1]),
        lambda: losses.shrink_loss(P, B[:, :3]),
        lambda: losses.weighted_pseudo_label_loss(A, B[:, :3], HALF),
    ],
    "second": [lambda: losses.divergence_weight(A, B[:1])],
    "voted": [lambda: losses.voting_kl_loss(A, Q[:1])],
    "counted": [lambda: losses.vote(np.stack([P, Q]), HALF[:1])],
    "weights": [
        lambda: losses.weighted_pseudo_label_loss(A, B, HALF[:1]),
        lambda: losses.universal_self_kd_loss(A, B, Y, HALF[:1]),
    ],
    "used": [lambda: losses.fairness_loss(A, HALF[:1], EVEN, EVEN)],
    "histogram": [lambda: losses.fairness_loss(A, HALF, EVEN, EVEN[:1])],
    "mean": [lambda: losses.align_distribution(P, EVEN, EVEN[:1])],
    "present": [lambda: losses.propagated_labels(A[None], P[None], present=np.ones((1, 1)))],
    "targets": [lambda: losses.multi_path_consistency_loss([MAPS], [MAPS[:1]])],
    "ratio": [lambda: losses.fused_distillation_loss(A, B, Y, HALF[:1])],
    "transforms": [lambda: losses.joint_labels(Y, Y[:1], 4)],
    "labels": [
        lambda: losses.decoupled_kl_loss(A, B, Y[:1]),
        lambda: losses.normalized_kd_loss(A, B, Y[:1]),
        lambda: losses.zipf_labels(A, Y[:1]),
        lambda: losses.calibrated_targets(A, Y[:1]),
        lambda: losses.region_smoothing_loss(A, Y[:1]),
        lambda: losses.region_entropy_loss(A, Y[:1]),
    ],
}

CLASSES = {
    "decoupled": lambda y: losses.decoupled_kl_loss(A, B, y),
    "normalized": lambda y: losses.normalized_kd_loss(A, B, y),
    "universal": lambda y: losses.universal_self_kd_loss(A, B, y),
    "zipf": lambda y: losses.zipf_labels(A, y),
    "fused": lambda y: losses.fused_distillation_loss(A, B, y, HALF),
    "calibrated": lambda y: losses.calibrated_targets(A, y),
    "proto_triplet": lambda y: losses.proto_triplet_loss(A, y, B[:4]),
    "proxy_anchor": lambda y: losses.proxy_anchor_loss(A, y, B[:4]),
    "joint": lambda y: losses.joint_labels(Y, y, 4),
}


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in SHAPES.items() for call in calls])
def test_a_shape_that_would_be_broadcast_is_an_error(name, call):
    with pytest.raises(ValueError, match=f"`{name}` must have the shape .* Received: {name}"):
        call()


@pytest.mark.parametrize("name", list(CLASSES))
def test_a_label_that_is_no_class_is_an_error(name):
    assert CLASSES[name](Y) is not None
    with pytest.raises(ValueError, match="must be class numbers below 4, negative for none. Received: .*=4"):
        CLASSES[name](np.array([0, 4, 2, 3, 1]))


def test_a_strength_below_zero_is_an_error():
    with pytest.raises(ValueError, match="`strength` .* Received: strength=-1"):
        losses.disagreement_weights(HALF, -1.0)

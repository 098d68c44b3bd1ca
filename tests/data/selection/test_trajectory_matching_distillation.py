"""Tests of keras_ssl.data.TrajectoryMatchingDistillation and ExpertTrajectory."""

import math

import keras
import numpy as np
import pytest

from keras_ssl.data import ExpertTrajectory, TrajectoryMatchingDistillation
from keras_ssl.data.selection import trajectory_matching_distillation
from tests.data.selection.reference import finite_differences, gradients

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(12, 4)), np.arange(12) % 3
LABELS = np.array([0, 1, 2])
IMAGES = RANDOM.normal(size=(3, 4))


def make_model():
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])


MODEL = make_model()
PATH = [[RANDOM.normal(size=(4, 3)), RANDOM.normal(size=3)] for _ in range(4)]


def method(**options):
    return TrajectoryMatchingDistillation(MODEL, **options)


def softmax(logits):
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def entropy_gradients(weights, images, labels):
    """Of the mean cross-entropy of a linear classifier."""
    error = (softmax(images @ weights[0] + weights[1]) - np.eye(3)[labels]) / len(labels)
    return [images.T @ error, error.sum(axis=0)]


def squared(weights, others):
    return sum(np.square(a - b).sum() for a, b in zip(weights, others, strict=True))


def reference_loss(images, rate, student_steps, expert_steps, intermediate_weight, scale=1.0):
    weights, path = PATH[0], [PATH[0]]
    for _ in range(student_steps):
        found = entropy_gradients(weights, images, LABELS)
        weights = [w - rate * scale * g for w, g in zip(weights, found, strict=True)]
        path.append(weights)
    loss = squared(path[-1], PATH[expert_steps]) / squared(PATH[0], PATH[expert_steps])
    terms = []
    for m in range(1, expert_steps):
        n = int(m * student_steps / expert_steps + 0.5)
        if 0 < n < student_steps:
            terms.append(squared(path[n], PATH[m]) / squared(PATH[0], PATH[m]))
    return loss + (intermediate_weight * np.mean(terms) if terms else 0.0)


def tensors(weights):
    return [keras.ops.array(weight, "float32") for weight in weights]


def loss_of(distillation, images, rate, scale=1.0):
    targets = [tensors(weights) for weights in PATH[1 : distillation.expert_steps + 1]]
    return distillation.loss(images, LABELS, rate, tensors(PATH[0]), targets, scale)


@pytest.mark.parametrize(
    ("student_steps", "expert_steps", "weight", "scale"),
    [(1, 1, 0.5, 1.0), (3, 1, 0.0, 1.0), (4, 2, 0.5, 1.0), (4, 3, 0.3, 0.7), (1, 3, 1.0, 2.0)],
)
def test_loss_and_gradients_equal_finite_differences(student_steps, expert_steps, weight, scale):
    distillation = method(student_steps=student_steps, expert_steps=expert_steps, intermediate_weight=weight)
    value, (by_images, by_rate) = gradients(
        lambda images, rate: loss_of(distillation, images, rate, scale), IMAGES, np.array(0.8)
    )
    arguments = (student_steps, expert_steps, weight, scale)
    assert value == pytest.approx(reference_loss(IMAGES, 0.8, *arguments), rel=1e-4)
    expected = finite_differences(lambda images: reference_loss(images, 0.8, *arguments), IMAGES)
    np.testing.assert_allclose(by_images, expected, rtol=2e-3, atol=2e-5)
    assert np.abs(by_images).min() > 0
    expected = finite_differences(lambda rate: reference_loss(IMAGES, float(rate), *arguments), np.array(0.8))
    np.testing.assert_allclose(by_rate, expected, rtol=2e-3, atol=2e-5)


def test_no_student_step_has_the_loss_one():
    for expert_steps in (1, 3):
        distillation = method(student_steps=0, expert_steps=expert_steps, intermediate_weight=1.0)
        assert float(loss_of(distillation, keras.ops.array(IMAGES, "float32"), 0.8)) == 1.0


def test_the_experts_own_data_have_the_loss_zero():
    distillation = method(student_steps=3, expert_steps=3, intermediate_weight=1.0)
    expert = distillation.train_expert(X, Y, epochs=4, rate=0.5)
    targets = [tensors(weights) for weights in expert[2:]]
    images = keras.ops.array(X, "float32")
    assert float(distillation.loss(images, Y, 0.5, tensors(expert[1]), targets)) < 1e-9
    assert float(distillation.loss(images, Y, 0.25, tensors(expert[1]), targets)) > 0.05


def test_an_expert_without_clip_and_penalty_is_plain_gradient_descent():
    expert = method().train_expert(X, Y, epochs=3, rate=0.3, seed=4)
    weights = [weight.astype("float64") for weight in expert[0]]
    for checkpoint in expert[1:]:
        weights = [w - 0.3 * g for w, g in zip(weights, entropy_gradients(weights, X, Y), strict=True)]
        for one, other in zip(checkpoint, weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    same, other = (method().train_expert(X, Y, epochs=1, rate=0.3, seed=seed) for seed in (4, 5))
    np.testing.assert_allclose(same[0][0], expert[0][0])
    assert np.abs(other[0][0] - expert[0][0]).max() > 0.1


def test_clip_and_penalty_by_finite_differences():
    def smooth(flat, factor, penalty):
        weights = [flat[:12].reshape(4, 3), flat[12:]]
        entropy = -np.log(softmax(X @ weights[0] + weights[1])[np.arange(12), Y]).mean()
        return factor * entropy + penalty * sum(np.square(g).sum() for g in entropy_gradients(weights, X, Y))

    expert = method().train_expert(X, Y, epochs=2, rate=0.3, clip=(0.5,), penalty=0.7)
    for epoch, factor in enumerate((0.5, 1.0)):
        flat = np.concatenate([weight.ravel() for weight in expert[epoch]]).astype("float64")
        expected = flat - 0.3 * finite_differences(lambda f, factor=factor: smooth(f, factor, 0.7), flat)
        found = np.concatenate([weight.ravel() for weight in expert[epoch + 1]])
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_penalty_ends_where_gradients_are_small():
    def steepness(expert):
        return sum(np.square(g).sum() for g in entropy_gradients(expert[-1], X, Y))

    plain, smooth = (method().train_expert(X, Y, epochs=8, rate=0.5, penalty=p) for p in (0.0, 0.3))
    assert steepness(smooth) < 0.97 * steepness(plain)


def test_initial_images_are_balanced_real_and_distinct():
    images, labels = method().initial_images(X, Y, per_class=3)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and images.dtype == np.float32
    rows = [int(np.abs(X.astype("float32") - image).sum(axis=1).argmin()) for image in images]
    assert len(set(rows)) == 9 and Y[rows].tolist() == labels.tolist()
    np.testing.assert_array_equal(images, X.astype("float32")[rows])


def test_one_initial_image_is_nearest_to_the_mean_of_its_class():
    images, _ = method().initial_images(X, Y, per_class=1)
    for number in range(3):
        members = X[Y == number]
        nearest = members[np.square(members - members.mean(axis=0)).sum(axis=1).argmin()]
        np.testing.assert_allclose(images[number], nearest, rtol=1e-6)


def test_centers_that_meet_take_different_images(monkeypatch):
    monkeypatch.setattr(trajectory_matching_distillation, "k_means", lambda pixels, count, seed: np.zeros((count, 4)))
    images, _ = method().initial_images(X, Y, per_class=2)
    for number in range(3):
        members = X[Y == number]
        nearest = members[np.argsort(np.square(members).sum(axis=1))[:2]]
        np.testing.assert_allclose(images[2 * number : 2 * number + 2], nearest, rtol=1e-6)


def test_inner_scale_by_the_formula():
    scales = [method().inner_scale(start, 10) for start in range(10)]
    assert scales[5] == pytest.approx(math.log(8) / math.log(5)) and scales[4] == pytest.approx(
        math.log(5) / math.log(9)
    )
    assert scales[9] == pytest.approx(math.log(12) / math.log(5)) and (np.diff(scales) > 0).all()


def test_distillation_lowers_the_loss_and_follows_the_seed():
    options = dict(student_steps=4, expert_steps=2, rate=0.3, image_rate=0.05)
    distillation = method(**options)
    experts = [distillation.train_expert(X, Y, epochs=5, rate=0.3, seed=seed) for seed in (0, 1)]
    images, labels, rate = distillation.distill(X, Y, experts, per_class=1, steps=40)
    assert images.shape == (3, 4) and labels.tolist() == [0, 1, 2] and rate > 0
    assert np.mean(distillation.history[-10:]) < 0.9 * np.mean(distillation.history[:10])
    found = [method(seed=seed, **options).distill(X, Y, experts, 1, 3) for seed in (0, 0, 1)]
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-6)
    assert np.abs(found[0][0] - found[2][0]).max() > 1e-3
    kept = method(**options, rate_rate=0.0).distill(X, Y, experts, 1, 3)
    assert kept[2] == 0.3
    assert method(**options).distill(X, Y, experts, 1, 0)[0].tolist() == method().initial_images(X, Y, 1)[0].tolist()


@pytest.mark.parametrize("options", [{"balanced": False}, {"noise": 0.5}, {"intermediate_weight": 5.0}])
def test_each_part_takes_part_in_distillation(options):
    expert = method().train_expert(X, Y, epochs=5, rate=0.3)
    plain = method(student_steps=4, rate=0.3).distill(X, Y, [expert], 1, 4)[0]
    other = method(student_steps=4, rate=0.3, **options).distill(X, Y, [expert], 1, 4)[0]
    assert np.abs(plain - other).max() > 1e-4


def test_no_start_is_later_than_the_latest():
    expert = method().train_expert(X, Y, epochs=6, rate=0.3)
    changed = [*expert[:3], *([2.0 * weight for weight in weights] for weights in expert[3:])]
    found = [
        method(student_steps=2, max_start=latest).distill(X, Y, [path], 1, 8)[0]
        for latest, path in ((0, expert), (0, changed), (4, expert), (4, changed))
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[2] - found[3]).max() > 1e-4


def test_noise_has_the_stated_norm():
    disturbed = method(noise=0.2)._disturbed([weight.astype("float32") for weight in PATH[0]], 3)
    for one, other in zip(disturbed, PATH[0], strict=True):
        assert np.linalg.norm(one - other) == pytest.approx(0.2 * np.linalg.norm(other), rel=1e-4)
    again = method(noise=0.2)._disturbed([weight.astype("float32") for weight in PATH[0]], 4)
    assert np.abs(again[0] - disturbed[0]).max() > 1e-3


def test_the_callback_records_the_path_and_clips_the_rate():
    class Rates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    rates, model = [], make_model()
    model.compile(keras.optimizers.SGD(0.4), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    trajectory = ExpertTrajectory(clip=(0.5, 0.75))
    model.fit(X, Y, batch_size=12, epochs=4, verbose=0, callbacks=[trajectory, Rates()])
    np.testing.assert_allclose(rates, [0.2, 0.3, 0.4, 0.4], rtol=1e-6)
    assert len(trajectory.checkpoints) == 5
    weights = [weight.astype("float64") for weight in trajectory.checkpoints[0]]
    for rate, checkpoint in zip(rates, trajectory.checkpoints[1:], strict=True):
        weights = [w - rate * g for w, g in zip(weights, entropy_gradients(weights, X, Y), strict=True)]
        np.testing.assert_allclose(checkpoint[0], weights[0], atol=1e-5)
    # It feeds the distillation.
    assert method(student_steps=1).distill(X, Y, [trajectory.checkpoints], per_class=1, steps=1)[0].shape == (3, 4)


def test_a_clip_with_a_schedule_is_refused():
    model = make_model()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model.compile(keras.optimizers.SGD(schedule), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="Received: clip="):
        model.fit(X, Y, verbose=0, callbacks=[ExpertTrajectory(clip=(0.5,))])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", None),
        ("expert_steps", 0),
        ("student_steps", -1),
        ("max_start", -1),
        ("intermediate_weight", float("nan")),
        ("noise", -0.1),
        ("rate", 0.0),
        ("image_rate", float("inf")),
        ("rate_rate", -1.0),
        ("seed", -1),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        TrajectoryMatchingDistillation(**{"model": MODEL, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", np.full((12, 4), np.nan)),
        ("y", np.arange(12) % 4),
        ("y", np.zeros(11, int)),
        ("y", np.zeros(12)),
        ("per_class", 5),
        ("per_class", 0),
        ("steps", -1),
        ("trajectories", []),
        ("trajectories", [PATH[:2]]),
        ("trajectories", [[[np.zeros((4, 2)), np.zeros(3)]] * 4]),
        ("trajectories", [[[np.full((4, 3), np.nan), np.zeros(3)]] * 4]),
    ],
)
def test_bad_input_is_refused(name, value):
    arguments = {"x": X, "y": Y, "trajectories": [PATH], "per_class": 1, "steps": 1}
    with pytest.raises(ValueError, match=f"Received: {name}="):
        method().distill(**{**arguments, name: value})


def test_other_bad_input_is_refused():
    with pytest.raises(ValueError, match="Received: trajectories="):
        method(max_start=2).distill(X, Y, [PATH], 1, 1)
    with pytest.raises(ValueError, match="Received: checkpoints="):
        method().loss(IMAGES, LABELS, 0.1, PATH[0], PATH[1:2])
    for name, value in (("epochs", 0), ("rate", 0.0), ("batch_size", 13), ("clip", (1.5,)), ("penalty", -1.0)):
        with pytest.raises(ValueError, match=f"Received: {name}="):
            method().train_expert(X, Y, **{"epochs": 1, "rate": 0.1, name: value})
    with pytest.raises(ValueError, match="Received: clip="):
        ExpertTrajectory(clip=(0.0,))

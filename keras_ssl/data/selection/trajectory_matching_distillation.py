"""A few synthetic images on which training takes the same path as on a whole labeled data set."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.selection.checks import check_features, check_seed, uniforms, unit_rows
from keras_ssl.data.selection.differentiation import apply, compiled, value_and_gradients
from keras_ssl.data.selection.k_means import k_means
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.random import normal_array, permutation, seeded_initializers
from keras_ssl.typing import Tensor

__all__ = ["TrajectoryMatchingDistillation"]

Trajectory = Sequence[Sequence[Any]]


class TrajectoryMatchingDistillation:
    """Distills a labeled data set into a few images per class, by matching smooth paths of experts.

    An expert's weights `w_0, w_1, ...` are kept while it trains on the real data. A student starts from `w_t` and takes
    `student_steps` (N) steps of gradient descent with the rate `a` on the cross-entropy of all synthetic images. With
    its weights `v_n` after `n` steps and `expert_steps` (M),

        loss = D_M + intermediate_weight * mean(0 < m < M) of D_m,
        D_m = |v_n(m) - w_(t+m)|^2 / |w_t - w_(t+m)|^2,   n(m) = round(m N / M),

    where the `m` in between count only if `0 < n(m) < N`. The gradient through all the steps changes the images and
    the rate. `N = 0` gives the loss 1; N = M steps on the expert's own full batch with its rate give 0.

    Around it: images start from real ones near the centers of k-means of their class; a start is disturbed by a little
    noise; the student's loss is scaled by how late the start is (`inner_scale`). With `intermediate_weight=0`,
    `noise=0`, `balanced=False` and experts without `clip` and `penalty` this is MTT (Cazenavette et al.), with the same
    number of images in each step.

    The paper's abstract names these parts without formulas. Those of the intermediate loss, the noise and the penalty
    are our choice; that of `inner_scale` is in the authors' code.

    Args:
        model: a built Keras classifier that gives logits; its trainable weights form the path. It runs as in
            inference.
        expert_steps: M, checkpoints from start to target, 1 or more. Defaults to 2.
        student_steps: N, 0 or more. Defaults to 10.
        max_start: the latest start `t`. Defaults to None: the latest that the shortest expert allows.
        intermediate_weight: 0 or more. Defaults to 0.1.
        noise: norm of the noise on each weight tensor of a start, relative to the tensor's norm, 0 or more. Defaults
            to 0.01.
        balanced: whether the student's loss is scaled by `inner_scale`. Defaults to True.
        rate: `a` at the start, positive. Defaults to 0.01.
        image_rate: learning rate of the images (Adam). Defaults to 0.01.
        rate_rate: learning rate of `log a` (Adam); 0 keeps the rate. Defaults to 0.01.
        seed: in [0, 2**32). Defaults to 0.

    Attributes:
        history: the losses of the last run's steps.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    >>> x, y = np.array([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]]), np.array([0, 0, 1, 1])
    >>> distillation = TrajectoryMatchingDistillation(model, student_steps=2)
    >>> expert = distillation.train_expert(x, y, epochs=3, rate=0.1)
    >>> images, labels, rate = distillation.distill(x, y, [expert], per_class=1, steps=2)
    >>> images.shape, labels.tolist()
    ((2, 2), [0, 1])

    Reference: Shen, Yang and Lam, "Efficient Dataset Distillation through Alignment with Smooth and High-Quality Expert
    Trajectories", 2023, https://arxiv.org/abs/2310.10541; Cazenavette et al., "Dataset Distillation by Matching
    Training Trajectories", CVPR 2022.
    """

    def __init__(
        self,
        model: keras.Model,
        expert_steps: int = 2,
        student_steps: int = 10,
        max_start: int | None = None,
        intermediate_weight: float = 0.1,
        noise: float = 0.01,
        balanced: bool = True,
        rate: float = 0.01,
        image_rate: float = 0.01,
        rate_rate: float = 0.01,
        seed: int = 0,
    ) -> None:
        if not isinstance(model, keras.Model) or not model.trainable_variables:
            raise ValueError(f"`model` must be a built model with trainable weights. Received: model={model!r}")
        self.model = model
        self.expert_steps = check_integer("expert_steps", expert_steps, 1)
        self.student_steps = check_integer("student_steps", student_steps, 0)
        self.max_start = None if max_start is None else check_integer("max_start", max_start, 0)
        self.intermediate_weight = check_number("intermediate_weight", intermediate_weight, 0.0)
        self.noise = check_number("noise", noise, 0.0)
        self.balanced = bool(balanced)
        self.rate = check_number("rate", rate, 0.0, above=True)
        self.image_rate = check_number("image_rate", image_rate, 0.0, above=True)
        self.rate_rate = check_number("rate_rate", rate_rate, 0.0)
        self.seed = check_seed(seed)
        self.history: list[float] = []

    def loss(
        self,
        images: Tensor,
        labels: Tensor,
        rate: Tensor,
        start: Sequence[Tensor],
        checkpoints: Sequence[Sequence[Tensor]],
        inner_scale: Tensor = 1.0,
    ) -> Tensor:
        """The loss of one start; differentiable by the images and the rate, and without any randomness.

        Args:
            images: synthetic images, `[S, ...]`.
            labels: their classes, integers `[S]`.
            rate: the student's learning rate, a scalar.
            start: the weights `w_t`, in the order of `model.trainable_variables`.
            checkpoints: the weights `w_(t+1)` to `w_(t+M)`.
            inner_scale: factor of the student's loss. Defaults to 1.0.

        Returns:
            A scalar.

        Raises:
            ValueError: if there are not `expert_steps` checkpoints.
        """
        if len(checkpoints) != self.expert_steps:
            raise ValueError(
                f"`checkpoints` must be {self.expert_steps} lists of weights. "
                f"Received: checkpoints=list of {len(checkpoints)}"
            )
        weights = start = [as_float(weight) for weight in start]
        path = [weights]
        for _ in range(self.student_steps):
            _, gradients = value_and_gradients(
                lambda values: inner_scale * self._cross_entropy(values, images, labels), weights
            )
            weights = [weight - rate * gradient for weight, gradient in zip(weights, gradients, strict=True)]
            path.append(weights)
        loss = _distance(path[-1], start, checkpoints[-1])
        between = []
        for number in range(1, self.expert_steps):
            step = math.floor(number * self.student_steps / self.expert_steps + 0.5)
            if 0 < step < self.student_steps:
                between.append(_distance(path[step], start, checkpoints[number - 1]))
        if between and self.intermediate_weight:
            loss = loss + self.intermediate_weight * sum(between) / len(between)
        return loss

    def inner_scale(self, start: int, starts: int) -> float:
        """The factor of the student's loss: above 1 for late starts, whose gradients are small, else below 1.

        With `h = starts // 2` it is `log_5(start - h + 8)` from `h` on, and `1 / log_5(h - start + 8)` before.

        Args:
            start: `t`.
            starts: number of possible starts.
        """
        half = starts // 2
        return math.log(start - half + 8, 5) if start >= half else 1.0 / math.log(half - start + 8, 5)

    def train_expert(
        self,
        x: Any,
        y: Any,
        epochs: int,
        rate: float,
        batch_size: int | None = None,
        clip: Sequence[float] = (),
        penalty: float = 0.0,
        seed: int = 0,
    ) -> list[list[np.ndarray]]:
        """Trains a new expert by SGD on a smooth loss.

        In epoch `e` the loss is `clip[e] * CE + penalty * |gradient of CE by the weights|^2` (`clip[e] = 1` after the
        last factor given). Without both it is plain SGD.

        Args:
            x: images, numbers `[N, ...]`.
            y: classes, integers `[N]`.
            epochs: number of passes, 1 or more.
            rate: learning rate, positive.
            batch_size: samples in a step; a remainder is left out. Defaults to None: all.
            clip: factors in (0, 1]. Defaults to none. The authors' code takes 0.5, rising to 0.9 in eleven epochs.
            penalty: 0 or more. Defaults to 0.0.
            seed: of the initial weights and the order. Defaults to 0.

        Returns:
            The weights before training and after each epoch: a list of `epochs + 1` lists of float32 arrays.

        Raises:
            ValueError: if an argument is out of range.
        """
        images, labels = self._checked(x, y)
        epochs, seed = check_integer("epochs", epochs, 1), check_seed(seed)
        rate, penalty = check_number("rate", rate, 0.0, above=True), check_number("penalty", penalty, 0.0)
        size = check_integer("batch_size", len(images) if batch_size is None else batch_size, 1, len(images))
        factors = [check_number("clip", factor, 0.0, 1.0, above=True) for factor in clip]

        def step(weights: list[Tensor], batch: Tensor, classes: Tensor, factor: Tensor) -> list[Tensor]:
            def smooth(values: list[Tensor]) -> Tensor:
                if not penalty:
                    return factor * self._cross_entropy(values, batch, classes)
                entropy, gradients = value_and_gradients(lambda v: self._cross_entropy(v, batch, classes), values)
                return factor * entropy + penalty * sum(keras.ops.sum(keras.ops.square(g)) for g in gradients)

            _, gradients = value_and_gradients(smooth, weights)
            return [weight - rate * gradient for weight, gradient in zip(weights, gradients, strict=True)]

        program = compiled(step)
        with seeded_initializers(seed):
            expert = keras.models.clone_model(self.model)
        weights = [keras.ops.convert_to_numpy(variable) for variable in expert.trainable_variables]
        trajectory = [_numpy(weights)]
        for epoch in range(epochs):
            order = permutation(len(images), seed, epoch)
            factor = np.float32(factors[epoch] if epoch < len(factors) else 1.0)
            for first in range(0, len(images) - size + 1, size):
                rows = order[first : first + size]
                weights = program(weights, images[rows], labels[rows], factor)
            trajectory.append(_numpy(weights))
        return trajectory

    def initial_images(self, x: Any, y: Any, per_class: int) -> tuple[np.ndarray, np.ndarray]:
        """Real images that represent their class: those nearest to the centers of k-means of its pixels.

        Args:
            x: images, numbers `[N, ...]`.
            y: classes, integers `[N]`.
            per_class: images of each class, at most as many as the smallest class has.

        Returns:
            `(images, labels)`: float32 `[classes * per_class, ...]` and int32, class after class.
        """
        images, labels = self._checked(x, y)
        classes, counts = np.unique(labels, return_counts=True)
        per_class = check_integer("per_class", per_class, 1, int(counts.min()))
        chosen: list[int] = []
        for number in classes:
            members = np.flatnonzero(labels == number)
            pixels = images[members].reshape(len(members), -1).astype("float64")
            free = np.ones(len(members), bool)
            for center in k_means(pixels, per_class, self.seed):
                nearest = int(np.where(free, np.square(pixels - center).sum(axis=1), np.inf).argmin())
                free[nearest] = False
                chosen.append(int(members[nearest]))
        return images[chosen], labels[chosen]

    def distill(
        self, x: Any, y: Any, trajectories: Sequence[Trajectory], per_class: int, steps: int
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Makes the synthetic images.

        Args:
            x: real images to start from, numbers `[N, ...]`.
            y: their classes, integers `[N]`.
            trajectories: of experts: what `train_expert` returns, or `ExpertTrajectory.checkpoints`.
            per_class: images of each class.
            steps: number of updates, 0 or more.

        Returns:
            `(images, labels, rate)`: float32 `[classes * per_class, ...]`, int32, and the learned rate.

        Raises:
            ValueError: if an expert is too short or does not fit the model, or another argument is out of range.
        """
        first, labels = self.initial_images(x, y, per_class)
        steps = check_integer("steps", steps, 0)
        starts = self._starts(trajectories)
        images = keras.Variable(first)
        log_rate = keras.Variable(np.float32(math.log(self.rate)))
        optimizers = [keras.optimizers.Adam(self.image_rate), keras.optimizers.Adam(self.rate_rate)]
        for optimizer, variable in zip(optimizers, (images, log_rate), strict=True):
            optimizer.build([variable])

        def gradients_of(parts: list[Tensor], start: Any, checkpoints: Any, scale: Tensor) -> Any:
            return value_and_gradients(
                lambda p: self.loss(p[0], labels, keras.ops.exp(p[1]), start, checkpoints, scale), parts
            )

        program = compiled(gradients_of)
        self.history = []
        for step in range(steps):
            one, other = (float(value[0]) for value in uniforms(self.seed, step, np.array([0])))
            expert = trajectories[int(one * len(trajectories))]
            begin = int(other * starts)
            start = self._disturbed([np.asarray(weight, "float32") for weight in expert[begin]], step)
            targets = [[np.asarray(w, "float32") for w in expert[begin + m + 1]] for m in range(self.expert_steps)]
            scale = np.float32(self.inner_scale(begin, starts) if self.balanced else 1.0)
            loss, gradients = program([images.value, log_rate.value], start, targets, scale)
            self.history.append(float(loss))
            for optimizer, gradient, variable in zip(optimizers, gradients, (images, log_rate), strict=True):
                optimizer.apply([gradient], [variable])
        rate = math.exp(float(log_rate.value)) if self.rate_rate else self.rate
        return np.array(keras.ops.convert_to_numpy(images)), labels, rate

    def _cross_entropy(self, weights: list[Tensor], images: Tensor, labels: Tensor) -> Tensor:
        ops = keras.ops
        logits = as_float(apply(self.model, self.model.trainable_variables, weights, images))
        own = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        return -ops.mean(ops.sum(own * ops.log_softmax(logits, axis=-1), axis=-1))

    def _starts(self, trajectories: Sequence[Trajectory]) -> int:
        shapes = [tuple(variable.shape) for variable in self.model.trainable_variables]
        if not len(trajectories):
            raise ValueError(f"`trajectories` must hold at least one expert. Received: trajectories={trajectories}")
        for expert in trajectories:
            for weights in expert:
                if [np.shape(weight) for weight in weights] != shapes:
                    raise ValueError(
                        f"`trajectories` must hold weights of the shapes {shapes}. "
                        f"Received: trajectories=list with {[np.shape(weight) for weight in weights]}"
                    )
                if not all(np.isfinite(weight).all() for weight in weights):
                    raise ValueError("`trajectories` must be finite. Received: trajectories=list with NaN or infinity")
        shortest = min(len(expert) for expert in trajectories)
        starts = shortest - self.expert_steps
        if self.max_start is not None:
            starts = min(starts, self.max_start + 1) if starts > self.max_start else 0
        if starts < 1:
            raise ValueError(
                f"`trajectories` must reach {self.expert_steps} checkpoints past the latest start. "
                f"Received: trajectories=list with an expert of {shortest}, max_start={self.max_start}"
            )
        return starts

    def _disturbed(self, weights: list[np.ndarray], step: int) -> list[np.ndarray]:
        if not self.noise:
            return weights
        disturbed = []
        for number, weight in enumerate(weights):
            drawn = normal_array(weight.shape, (self.seed * 1_000_003 + step * 257 + number) % 2**32)
            direction = unit_rows(drawn.reshape(1, -1).astype("float64")).reshape(weight.shape)
            disturbed.append((weight + self.noise * np.linalg.norm(weight) * direction).astype("float32"))
        return disturbed

    def _checked(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        images, labels = check_features("x", x, None).astype("float32"), np.asarray(y)
        classes = int(self.model.output_shape[-1])
        fit = labels.shape == images.shape[:1] and labels.dtype.kind in "iu"
        if not fit or labels.min() < 0 or labels.max() >= classes:
            raise ValueError(
                f"`y` must be integers [{len(images)}] from 0 to {classes - 1}. "
                f"Received: y=array of {labels.dtype} with shape {labels.shape}"
            )
        return images, labels.astype("int32")


def _distance(weights: Sequence[Tensor], start: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Squared distance of weights to a target, relative to that of the start; 0 / 0 counts as 0."""
    ops = keras.ops

    def between(some: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        pairs = zip(some, others, strict=True)
        return sum(ops.sum(ops.square(one - ops.cast(other, one.dtype))) for one, other in pairs)

    return between(weights, target) / ops.maximum(between(start, target), 1e-30)


def _numpy(weights: Sequence[Tensor]) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in weights]

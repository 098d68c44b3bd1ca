"""SimMatchV2."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.layers.masked_queue import MaskedQueue
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.running_mean import RunningMean
from keras_ssl.layers.sample_table import SampleTable
from keras_ssl.losses.numeric import as_float, check_integer, l2_normalize
from keras_ssl.losses.semi_supervised.align_distribution import align_distribution
from keras_ssl.losses.semi_supervised.propagated_labels import propagated_labels
from keras_ssl.objectives.labels.semi_supervised import (
    TeacherClassifier,
    check_above,
    check_share,
    check_weight,
    pseudo_label_terms,
    supervised_terms,
    unlabeled_mean,
)
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.labelled_model import LabelledModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2308.06692")
class SimMatchV2(TeacherClassifier):
    """SimMatchV2: predictions and similarities agree between views, and pseudo-labels take in labeled neighbors.

    A momentum teacher sees the weak view: p is its prediction, k its unit embedding. The student sees the strong view
    of the unlabeled samples: s is its prediction, q its unit embedding, and also the weak view of the labeled ones.
    The loss is `CE(y, p_student(weak))`, mean over the labeled samples, plus the means over the unlabeled ones of

    - `unlabeled_weight * [max p >= threshold] CE(g, s)` (node-node), where the pseudo-label g is p after label
      propagation among the `neighbors` labeled samples that are nearest to k (edge-node), see
      `losses.propagated_labels`;
    - `edge_weight * CE(R(k), R(q))` (edge-edge), where `R(z) = softmax(z . bank / temperature)` is the similarity to
      the last `queue_size` embeddings k of unlabeled samples;
    - `node_edge_weight * CE(p, R(q) . labels of the bank)` (node-edge), where the labels are the predictions p of then.

    With `alignment_momentum` below 1, p is divided by its running mean and scaled to sum to 1; the mean takes in a
    batch after its loss is computed, as in the authors' code. Features are normalized (layer norm) before all heads.
    Where the authors' banks begin with random embeddings, here empty places do not take part, and a term without any is
    0. The embeddings of labeled samples lie in a table by sample number.

    Logged: `loss`, `supervised`, `unsupervised`, `edge_edge`, `node_edge`, `accuracy` of the labeled samples,
    `confident`: the share of unlabeled samples that are used, `precision`: the share of right ones among the teacher's
    predictions for confident labeled samples, `momentum`. A batch mixes labeled samples and unlabeled ones, whose label
    is -1, and has their numbers, `index`; the labeled ones must have the numbers below `labeled_size`, as
    `keras_ssl.data.from_streams` numbers them where their stream comes first.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        classes: number of classes.
        labeled_size: number of labeled samples.
        projector: widths of the head of the embeddings. Defaults to None: `(F, 128)`.
        queue_size: number of past embeddings of unlabeled samples. Defaults to 256; the authors keep
            256 batches.
        neighbors: labeled samples in a graph, at most `labeled_size`. Defaults to 128, or all where there are fewer.
        alpha: of the label propagation, in [0, 1). Defaults to 0.1, that of the authors' code.
        temperature: of the similarities, positive. Defaults to 0.1, that of the authors' code.
        threshold: least confidence, in [0, 1]. Defaults to 0.7, that of the authors' code for ImageNet.
        edge_weight: weight of the edge-edge term, not negative. Defaults to 5, that of the authors' code.
        node_edge_weight: weight of the node-edge term, not negative. Defaults to 5, that of the authors' code.
        alignment_momentum: of the running mean of the predictions, in [0, 1]. Defaults to 0.9, that of the authors'
            code; 1 keeps it even, which aligns nothing.
        momentum: of the teacher, in [0, 1]. Defaults to 0.999; short runs want less.
        final_momentum: at the planned end, along a cosine. Defaults to None: `momentum`.
        unlabeled_weight: weight of the node-node term, not negative. Defaults to 10, that of the authors' code.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range or the encoder cannot be copied.

    Example:

    ```python
    model = keras_ssl.SimMatchV2(keras_ssl.encoders.ConvNet(), classes=10, labeled_size=len(labels), momentum=0.98)
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Zheng et al., "SimMatchV2: Semi-Supervised Learning with Graph Consistency", ICCV 2023.
    """

    fields: ClassVar[dict[str, Field]] = {**LabelledModel.fields, "index": Field("int32")}
    tiny: ClassVar[dict[str, Any] | None] = {
        "classes": 4,
        "labeled_size": 40,
        "projector": (12, 8),
        "queue_size": 16,
        "neighbors": 3,
        "threshold": 0.3,
        "momentum": 0.9,
    }
    stored_as: ClassVar[dict[str, str]] = {
        "labeled_size": "table.size",
        "projector": "projector.widths",
        "queue_size": "queue.size",
        "alignment_momentum": "class_means.momentum",
    }

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        labeled_size: int,
        projector: Sequence[int] | None = None,
        queue_size: int = 256,
        neighbors: int | None = None,
        alpha: float = 0.1,
        temperature: float = 0.1,
        threshold: float = 0.7,
        edge_weight: float = 5.0,
        node_edge_weight: float = 5.0,
        alignment_momentum: float = 0.9,
        momentum: float = 0.999,
        final_momentum: float | None = None,
        unlabeled_weight: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        check_integer("labeled_size", labeled_size, 1)
        check_integer("queue_size", queue_size, 1)
        most = min(128, labeled_size) if neighbors is None else neighbors
        self.neighbors = check_integer("neighbors", most, 1, labeled_size)
        if not 0.0 <= alpha < 1.0:
            raise ValueError(f"`alpha` must lie in [0, 1). Received: alpha={alpha}")
        self.alpha = float(alpha)
        self.temperature = check_above("temperature", temperature)
        self.threshold = check_share("threshold", threshold)
        self.edge_weight = check_weight("edge_weight", edge_weight)
        self.node_edge_weight = check_weight("node_edge_weight", node_edge_weight)
        check_share("alignment_momentum", alignment_momentum)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")
        self.norm.build((None, self.feature_dim))
        widths = (self.feature_dim, 128) if projector is None else tuple(int(width) for width in projector)
        self.projector = MLPHead(widths, batch_norm=False, output_bias=True, name="projector")
        self.projector.build((None, self.feature_dim))
        self.table = SampleTable(labeled_size, [0.0] * widths[-1] + [-1.0], name="table")
        self.queue = MaskedQueue(queue_size, widths[-1] + self.classes, name="queue")
        self.class_means = RunningMean([1.0 / self.classes] * self.classes, alignment_momentum, name="class_means")
        self.add_teacher(momentum, final_momentum)

    @property
    def student(self) -> list[keras.layers.Layer]:
        """What the teacher follows."""
        return [self.encoder, self.norm, self.classifier, self.projector]

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        super().check_samples(fields, whole, batch_size)
        labels, index = (np.asarray(keras.ops.convert_to_numpy(fields[name])) for name in ("y", "index"))
        self.table.check_index(index[labels >= 0], "labeled_size")

    def classify(self, features: Tensor) -> Tensor:
        """The logits `[N, classes]` of the encoder's features."""
        return self.classifier(self.norm(features))

    def teacher_logits(self, x: Tensor) -> Tensor:
        """The teacher's logits of inputs, `[N, classes]`."""
        return as_float(self._teach(self.encoder_input(x), False)[0])

    def _teach(self, inputs: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        encoder, norm, classifier, projector = self.teacher.modules
        features = norm(encoder(inputs, training=training))
        stop = keras.ops.stop_gradient
        return stop(classifier(features)), stop(projector(features, training=training))

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.make_views(batch, step)[:2]
        weak, strong = self.encode(views, step.training)
        logits, embedding = self._teach(views[0], step.training)
        return {
            "features": keras.ops.stop_gradient(weak),
            "weak": self.classify(weak),
            "strong": self.classify(strong),
            "q": self.projector(self.norm(strong), training=step.training),
            "teacher": logits,
            "k": embedding,
            "y": batch["y"],
            "index": batch["index"],
        }

    def gathered_names(self, embeddings: Any) -> Sequence[str]:
        return ("teacher", "k", "y", "index")

    def _targets(self, embeddings: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The teacher's predictions, aligned, and its unit embeddings."""
        p = keras.ops.stop_gradient(keras.ops.softmax(as_float(embeddings["teacher"]), axis=1))
        even = keras.ops.full((self.classes,), 1.0 / self.classes, "float32")
        return align_distribution(p, even, self.class_means.contents), l2_normalize(embeddings["k"])

    def propagate(self, p: Tensor, k: Tensor) -> Tensor:
        """Predictions `[n, classes]` of samples with unit embeddings k, after propagation from labeled neighbors."""
        ops, rows = keras.ops, self.table.contents
        known = rows[:, -1] >= 0.0
        scores = ops.where(known[None], ops.matmul(k, ops.transpose(rows[:, :-1])), -2.0)
        nearest = ops.top_k(scores, self.neighbors)[1]
        near = ops.take(rows, nearest, axis=0)
        hot = ops.one_hot(ops.cast(near[..., -1], "int32"), self.classes, dtype="float32")
        features = ops.concatenate([k[:, None], near[..., :-1]], axis=1)
        present = ops.concatenate([ops.ones_like(k[:, :1]), near[..., -1]], axis=1) >= 0.0
        labels = ops.concatenate([p[:, None], hot], axis=1)
        return propagated_labels(features, labels, self.alpha, self.temperature, present)[:, 0]

    def relations(self, embeddings: Tensor) -> Tensor:
        """Log-similarities of unit embeddings `[n, D]` to the bank, `[n, queue_size]`; -1e9 for empty places."""
        ops, contents = keras.ops, self.queue.contents
        bank, labels = contents[:, : -self.classes], contents[:, -self.classes :]
        scores = ops.matmul(embeddings, ops.transpose(bank)) / self.temperature
        filled = ops.sum(labels, axis=1) > 0.5
        return ops.log_softmax(ops.where(filled[None], scores, ops.full_like(scores, -1e9)), axis=1)

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, labels = keras.ops, embeddings["y"]
        p, k = self._targets(embeddings)
        used = ops.cast(ops.max(p, axis=1) >= self.threshold, "float32")
        pseudo = self.propagate(p, k)
        losses = -used * ops.sum(pseudo * ops.log_softmax(as_float(embeddings["strong"]), axis=1), axis=1)
        bank = self.queue.contents[:, -self.classes :]
        any_filled = ops.cast(ops.sum(bank) > 0.5, "float32")
        log_mine, log_theirs = self.relations(l2_normalize(embeddings["q"])), self.relations(k)
        target = ops.stop_gradient(ops.exp(log_theirs))
        edges = -any_filled * ops.sum(target * log_mine, axis=1)
        neighbors = ops.matmul(ops.exp(log_mine), bank)
        nodes = -any_filled * ops.sum(p * ops.log(ops.maximum(neighbors, 1e-12)), axis=1)
        unlabeled = ops.cast(ops.equal(ops.cast(labels, "int32"), -1), "float32")
        return {
            **supervised_terms(embeddings["weak"], labels),
            **pseudo_label_terms(losses, used, p, labels, self.unlabeled_weight),
            "edge_edge": Term(edges, unlabeled, self.edge_weight),
            "node_edge": Term(nodes, unlabeled, self.node_edge_weight),
        }

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        ops, labels = keras.ops, keras.ops.cast(embeddings["y"], "int32")
        p, k = self._targets(embeddings)
        rows = ops.concatenate([k, ops.cast(labels, "float32")[:, None]], axis=1)
        self.table.update(ops.where(labels >= 0, embeddings["index"], self.table.size), rows, updated)
        self.queue.enqueue(ops.concatenate([k, p], axis=1), labels < 0, updated)
        mean, present = unlabeled_mean(ops.softmax(as_float(embeddings["teacher"]), axis=1), labels)
        self.class_means.update(mean, ops.logical_and(present, updated))
        return super().after_step(embeddings, updated, step)

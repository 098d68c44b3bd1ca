"""Distillation from the vote of earlier selves."""

from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.layers.snapshot_ring import SnapshotRing
from keras_ssl.losses.distillation.voting_kl_loss import vote, voting_kl_loss
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.objectives.distillation.crop_model import CropModel
from keras_ssl.registry import register
from keras_ssl.training import functional
from keras_ssl.training.labelled_model import accuracy_term, label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2302.05629")
class VotingTeachers(CropModel):
    """Voting teachers: a classifier that also agrees with the mean prediction of its own last snapshots.

    `CE(y, s) + w KL(mean_k p_k || softmax(s))`: the first mean is over labeled samples, the second over all. `p_k` are
    the probabilities of the model as it was at its last `teachers` snapshots, which are taken every `interval` updates;
    before the first one the second term is 0. Snapshots see the same view, in inference mode. The term flattens the
    loss around the weights. Logged: `loss`, `supervised`, `voted`, `accuracy`.

    Memory holds `teachers` copies of the weights, and a step makes as many more forward passes.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teachers: number of snapshots that vote. Defaults to 3.
        interval: updates from one snapshot to the next. Defaults to 100.
        vote_weight: w, not negative; 0 is the cross-entropy. Defaults to 1.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.VotingTeachers(keras_ssl.encoders.ConvNet(), classes=10)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Zhu et al., "Improving Differentiable Architecture Search via Self-Distillation", 2023. There for the supernet
        of a search; number, distance and weight of the teachers are our choice.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "teachers": 2, "interval": 1}
    stored_as: ClassVar[dict[str, str]] = {"teachers": "ring.size"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teachers: int = 3,
        interval: int = 100,
        vote_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, **kwargs)
        self.interval = check_integer("interval", interval, 1)
        self.vote_weight = check_number("vote_weight", vote_weight, 0.0)
        shapes = [tuple(weight.shape) for weight in self._voting_weights]
        self.ring = SnapshotRing(check_integer("teachers", teachers, 1), shapes, name="ring")

    @property
    def _voting_weights(self) -> list[keras.Variable]:
        return [*self.encoder.weights, *self.classifier.weights]

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops = keras.ops
        inputs = self.make_views(batch, step)[0]
        features = self.encoder(inputs, training=step.training)
        logits = self.classify(features)
        earlier = [self._probabilities_at(place, inputs) for place in range(self.ring.size)]
        return {
            "features": ops.stop_gradient(features),
            "logits": logits,
            "voted": vote(ops.stack(earlier), self.ring.held),
            "y": batch["y"],
        }

    def _probabilities_at(self, place: int, inputs: Tensor) -> Tensor:
        def logits(x: Tensor) -> Tensor:
            return self.classify(self.encoder(x, training=False))

        found = functional.apply(logits, self._voting_weights, self.ring.values(place), inputs)
        return keras.ops.softmax(as_float(found), axis=1)

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops = keras.ops
        supervised, labeled = label_losses(embeddings["logits"], embeddings["y"])
        known = ops.broadcast_to(ops.max(self.ring.held), ops.shape(supervised))
        voted = voting_kl_loss(embeddings["logits"], embeddings["voted"])
        return {
            "supervised": Term(supervised, labeled),
            "voted": Term(voted, known, self.vote_weight),
            "accuracy": accuracy_term(embeddings["logits"], embeddings["y"]),
        }

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        due = keras.ops.equal(keras.ops.mod(step.updates + 1, self.interval), 0)
        self.ring.take(self._voting_weights, keras.ops.logical_and(updated, due))
        return None

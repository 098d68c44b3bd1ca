"""What the doctor has measured when it makes a diagnosis."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Embedding:
    """How the embeddings of a few images lie, at one moment.

    Args:
        samples: number of images.
        width: dimensions of an embedding.
        spread: `sqrt(D)` times the mean standard deviation of the unit embeddings: 1 on the whole sphere, 0 in a point.
        rank: effective rank of the centered unit embeddings, at most `min(N - 1, D)`.
        points: number of groups that the images fall into where cosines above 0.99 join a group.
    """

    samples: int
    width: int
    spread: float
    rank: float
    points: int


@dataclass(frozen=True)
class PseudoLabelEvidence:
    """What a semi-supervised classifier makes of a few images, at one moment.

    Args:
        samples: number of images.
        used: share of the images whose pseudo-label is used, or the mean weight of one.
        largest: share of the class that most of the pseudo-labels in use name; None where none is used.
        largest_label: share of the class that most of the images belong to; 0 where that is not known.
        teacher_accuracy: share of the images that the teacher classifies correctly; None without labels or teacher.
        student_accuracy: the same of the model in training.
    """

    samples: int
    used: float
    largest: float | None = None
    largest_label: float = 0.0
    teacher_accuracy: float | None = None
    student_accuracy: float | None = None


@dataclass(frozen=True)
class Evidence:
    """All numbers that a diagnosis rests on; None where the objective has no such thing, or nobody asked.

    Args:
        updates: optimizer updates since training began.
        loss: of the probe images, as a training step would find it.
        chance: the loss at chance, in theory. See `keras_ssl.training.ExpectedLoss`.
        collapsed: the loss at complete collapse, in theory.
        floor: the least loss, in theory.
        now: the embeddings.
        start: the embeddings when training began.
        gradient: length of the loss's gradient by the encoder's weights, over the length of these weights.
        dead: share of the encoder's weight tensors whose gradient is zero.
        student_moved: how far the encoder's weights have moved since training began, over their length then.
        teacher_moved: the same of the teacher's.
        teacher_fixed: whether the objective wants a teacher that stands still.
        supervised: whether the objective learns labels, so that images of a class should become one point.
        unmoved_memories: names of queues and banks that hold what they held when training began.
        prototypes: number of prototypes.
        prototypes_used: how many of them the images are nearest to, as a perplexity: 1 to the number of images.
        views_differ: mean distance of an image's views over that of different images' (in pixels, or what views are
            made of).
        images_differ: standard deviation of a pixel over the images, averaged, in units of the views' own range.
        label_share: the largest share of a pixel's variance that lies between classes; its place is `label_pixel`.
        label_pixel: indices of that pixel.
        past: numbers of updates and losses at earlier looks, in order.
        pseudo_labels: of a semi-supervised classifier.
        past_pseudo_labels: numbers of updates and the same at earlier looks, in order.
        patience: updates after which a loss that stands still is taken to stay there.
    """

    updates: int
    loss: float
    now: Embedding
    start: Embedding
    chance: float | None = None
    collapsed: float | None = None
    floor: float | None = None
    gradient: float | None = None
    dead: float = 0.0
    student_moved: float = 0.0
    teacher_moved: float | None = None
    teacher_fixed: bool = False
    supervised: bool = False
    unmoved_memories: tuple[str, ...] = ()
    prototypes: int | None = None
    prototypes_used: float | None = None
    views_differ: float | None = None
    images_differ: float | None = None
    label_share: float | None = None
    label_pixel: tuple[int, ...] = ()
    past: tuple[tuple[int, float], ...] = ()
    pseudo_labels: PseudoLabelEvidence | None = None
    past_pseudo_labels: tuple[tuple[int, PseudoLabelEvidence], ...] = ()
    patience: int = 500


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a run.

    Args:
        name: what it is, in the words of the list that `CollapseDoctor` gives.
        evidence: the numbers that say so, by what they are of.
        remedy: what mostly helps, in a sentence.
        step: training step at which it was found.
    """

    name: str
    evidence: Mapping[str, float | str]
    remedy: str
    step: int = 0

    def __str__(self) -> str:
        numbers = ", ".join(
            f"{name} {value}" if isinstance(value, str) else f"{name} {value:.4g}"
            for name, value in self.evidence.items()
        )
        return f"{self.name} at step {self.step} ({numbers}). {self.remedy}"

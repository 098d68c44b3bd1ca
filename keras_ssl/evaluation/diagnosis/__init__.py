"""Diagnosis of a run: small functions of measured evidence, each of which knows one thing that goes wrong."""

from collections.abc import Callable

from keras_ssl.evaluation.diagnosis.cluster_collapse import cluster_collapse
from keras_ssl.evaluation.diagnosis.complete_collapse import complete_collapse
from keras_ssl.evaluation.diagnosis.constant_teacher import constant_teacher
from keras_ssl.evaluation.diagnosis.dead_queue import dead_queue
from keras_ssl.evaluation.diagnosis.dimensional_collapse import dimensional_collapse
from keras_ssl.evaluation.diagnosis.evidence import Embedding, Evidence, Finding, PseudoLabelEvidence
from keras_ssl.evaluation.diagnosis.leaking_labels import leaking_labels
from keras_ssl.evaluation.diagnosis.loss_at_chance import loss_at_chance
from keras_ssl.evaluation.diagnosis.loss_below_floor import loss_below_floor
from keras_ssl.evaluation.diagnosis.loss_not_finite import loss_not_finite
from keras_ssl.evaluation.diagnosis.pseudo_labels import no_pseudo_labels, one_pseudo_class, teacher_worse
from keras_ssl.evaluation.diagnosis.vanished_gradient import vanished_gradient
from keras_ssl.evaluation.diagnosis.views_alike import views_alike
from keras_ssl.evaluation.diagnosis.weights_stand_still import weights_stand_still

DETECTORS: tuple[Callable[[Evidence], Finding | None], ...] = (
    complete_collapse,
    dimensional_collapse,
    cluster_collapse,
    constant_teacher,
    dead_queue,
    loss_below_floor,
    loss_at_chance,
    vanished_gradient,
    weights_stand_still,
    views_alike,
    leaking_labels,
    one_pseudo_class,
    no_pseudo_labels,
    teacher_worse,
)


def diagnose(evidence: Evidence) -> list[Finding]:
    """What is wrong, by every detector; where there are no numbers to go by, only that."""
    broken = loss_not_finite(evidence)
    if broken is not None:
        return [broken]
    found = (detector(evidence) for detector in DETECTORS)
    return [finding for finding in found if finding is not None]


__all__ = ["DETECTORS", "Embedding", "Evidence", "Finding", "PseudoLabelEvidence", "diagnose"]

"""What goes wrong with pseudo-labels, provoked in a small run each, is named by the doctor; sound runs have no such
finding."""

import warnings

import numpy as np
import pytest

from keras_ssl.callbacks import CollapseDoctor, TrainingWarning
from tests.callbacks.pseudo_label_run import classifier, points, train

OURS = {"pseudo-labels in one class", "no pseudo-labels used", "teacher worse than student"}
X, Y = points(48, seed=5)


def findings(model, labels=Y, epochs=10, rate=3e-2, data=None):
    doctor = CollapseDoctor(X, labels, every=5, patience=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        train(model, [doctor], epochs=epochs, rate=rate, data=data)
    return {finding.name: finding for finding in doctor.findings if finding.name in OURS}


def test_nothing_above_the_threshold():
    found = findings(classifier(threshold=0.999), rate=1e-3, labels=None)
    finding = found.pop("no pseudo-labels used")
    assert finding.evidence["share used"] == 0.0 and finding.step == 20 and not found
    assert "lower the threshold" in str(finding)


def one_sided():
    """A classifier that names class 0 whatever it sees, and learns too slowly to leave that."""
    model = classifier("PseudoLabel", threshold=0.0, unlabeled_weight=3.0)
    model.classifier.bias.assign([8.0, 0.0, 0.0])
    return model


def test_all_confidence_in_one_class():
    finding = findings(one_sided(), rate=1e-5).pop("pseudo-labels in one class")
    assert finding.evidence["largest class"] >= 0.95 and finding.evidence["share used"] == 1.0


def test_a_class_that_most_images_have_is_no_failure():
    assert not findings(one_sided(), labels=np.zeros(48, "int32"), rate=1e-5)


def test_a_teacher_that_lags_behind():
    model = classifier("MeanTeacher", momentum=0.9999, unlabeled_weight=0.1, views=lambda x, stream: [x, x], seed=4)
    finding = findings(model).pop("teacher worse than student")
    assert finding.evidence["student's"] > finding.evidence["teacher's accuracy"] + 0.14
    assert "momentum" in finding.remedy


def test_without_labels_nothing_is_said_of_the_teacher():
    model = classifier("MeanTeacher", momentum=0.9999, unlabeled_weight=0.1, views=lambda x, stream: [x, x], seed=4)
    assert not findings(model, labels=None)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("FixMatch", {"threshold": 0.6}),
        ("FreeMatch", {"momentum": 0.9}),
        ("AdaMatch", {}),
        ("MeanTeacher", {"momentum": 0.8, "unlabeled_weight": 1.0}),
    ],
)
def test_sound_runs_have_no_such_finding(method, options):
    assert not findings(classifier(method, **options))

"""Each detector against evidence just inside and just outside of what it looks for."""

from dataclasses import replace

import pytest

from keras_ssl.evaluation.diagnosis import DETECTORS, Embedding, Evidence, Finding, PseudoLabelEvidence, diagnose

HEALTHY = Evidence(
    updates=100,
    loss=3.0,
    now=Embedding(samples=64, width=32, spread=0.9, rank=20.0, points=64),
    start=Embedding(samples=64, width=32, spread=0.8, rank=20.0, points=60),
    chance=5.0,
    collapsed=4.8,
    floor=0.5,
    gradient=0.1,
    student_moved=0.2,
    teacher_moved=0.05,
    prototypes=100,
    prototypes_used=30.0,
    views_differ=0.8,
    images_differ=0.2,
    label_share=0.6,
    past=((0, 4.9), (50, 3.5)),
)


def names(evidence):
    return [finding.name for finding in diagnose(evidence)]


def test_nothing_is_wrong_with_the_healthy():
    assert names(HEALTHY) == []
    unknown = Evidence(updates=0, loss=1.0, now=HEALTHY.now, start=HEALTHY.start)
    assert names(unknown) == []


@pytest.mark.parametrize(
    ("name", "just", "not_yet"),
    [
        ("complete collapse", {"spread": 0.049}, {"spread": 0.051}),
        ("dimensional collapse", {"rank": 1.9}, {"rank": 2.0}),
        ("cluster collapse", {"points": 3}, {"points": 4}),
        ("cluster collapse", {"points": 2}, {"points": 2, "spread": 0.15}),  # one point, nearly
    ],
)
def test_embeddings(name, just, not_yet):
    assert names(replace(HEALTHY, now=replace(HEALTHY.now, **just))) == [name]
    assert names(replace(HEALTHY, now=replace(HEALTHY.now, **not_yet))) == []


def test_what_was_so_at_the_start_is_no_collapse():
    low = replace(HEALTHY.now, rank=1.8, points=3)
    assert names(replace(HEALTHY, now=low, start=low)) == []


def test_labels_may_make_points():
    few = replace(HEALTHY.now, points=3)
    assert names(replace(HEALTHY, now=few, supervised=True)) == []


@pytest.mark.parametrize(
    ("name", "just", "not_yet"),
    [
        ("cluster collapse", {"prototypes_used": 1.9}, {"prototypes_used": 2.1}),
        ("constant teacher", {"teacher_moved": 0.0}, {"teacher_moved": 1e-6}),
        ("constant teacher", {"teacher_moved": 0.0}, {"teacher_moved": 0.0, "teacher_fixed": True}),
        ("dead queue", {"unmoved_memories": ("queue",)}, {"unmoved_memories": ("queue",), "updates": 0}),
        ("loss below its theoretical floor", {"loss": 0.4989}, {"loss": 0.4991}),
        ("loss at its chance value", {"floor": 4.76, "loss": 4.9}, {"floor": 4.74, "loss": 4.9}),
        ("gradient vanished", {"gradient": 0.0}, {"gradient": 1e-9}),
        ("gradient vanished", {"dead": 0.6}, {"dead": 0.5}),
        ("weights stand still", {"student_moved": 0.0}, {"student_moved": 1e-7, "teacher_moved": 1e-8}),
        ("weights stand still", {"student_moved": 0.0}, {"student_moved": 0.0, "updates": 4}),
        ("views all alike", {"views_differ": 0.019}, {"views_differ": 0.021}),
        ("views all alike", {"images_differ": 0.009}, {"images_differ": 0.011}),
        ("labels leaking", {"label_share": 0.991}, {"label_share": 0.989}),
        ("labels leaking", {"label_share": 0.99}, {"label_share": None}),
    ],
)
def test_everything_else(name, just, not_yet):
    assert names(replace(HEALTHY, **just)) == [name]
    assert names(replace(HEALTHY, **not_yet)) == []


def test_loss_that_stands_at_chance():
    past = ((0, 4.85), (50, 4.79), (100, 5.03))
    stands = replace(HEALTHY, updates=150, loss=4.9, past=past, patience=100)
    (finding,) = diagnose(stands)
    assert finding.name == "loss at its chance value" and finding.evidence["updates"] == 100
    assert names(replace(stands, patience=200)) == []  # not for so long
    assert names(replace(stands, loss=4.69)) == []  # it begins to learn
    assert names(replace(stands, past=(*past[:2], (100, 4.0)))) == []


def test_the_best_loss_is_no_chance_value_where_collapse_has_the_same():
    """BYOL's loss at its least, 0, is that of collapse, but also of learning."""
    byol = replace(HEALTHY, chance=4.0, collapsed=0.0, floor=0.0, patience=50)
    assert names(replace(byol, loss=0.01, past=((0, 0.02), (50, 0.01)))) == []
    assert names(replace(byol, loss=3.99, past=((0, 4.01), (50, 4.0)))) == ["loss at its chance value"]


def test_without_numbers_nothing_else_is_said():
    broken = replace(HEALTHY.now, spread=float("nan"), rank=float("nan"), points=0)
    assert names(replace(HEALTHY, now=broken)) == ["loss not finite"]
    assert names(replace(HEALTHY, loss=float("inf"), label_share=1.0)) == ["loss not finite"]


def test_findings_can_be_read():
    finding = Finding("dead queue", {"memory": "queue", "updates": 10.0}, "Fill it.", step=12)
    assert str(finding) == "dead queue at step 12 (memory queue, updates 10). Fill it."
    assert len(DETECTORS) == 14 and all(detector.__doc__ for detector in DETECTORS)


SOUND = PseudoLabelEvidence(100, used=0.5, largest=0.3, largest_label=0.1, teacher_accuracy=0.8, student_accuracy=0.7)


@pytest.mark.parametrize(
    ("name", "just", "not_yet"),
    [
        ("pseudo-labels in one class", {"largest": 0.95}, {"largest": 0.94}),
        ("pseudo-labels in one class", {"largest": 1.0, "used": 0.08}, {"largest": 1.0, "used": 0.07}),
        ("pseudo-labels in one class", {"largest": 1.0}, {"largest": 1.0, "largest_label": 0.9}),
        ("no pseudo-labels used", {"used": 0.009, "largest": None}, {"used": 0.011, "largest": None}),
        ("teacher worse than student", {"teacher_accuracy": 0.59}, {"teacher_accuracy": 0.61}),
        ("teacher worse than student", {"teacher_accuracy": 0.59}, {"teacher_accuracy": None}),
    ],
)
def test_pseudo_labels_that_stay_of_no_use(name, just, not_yet):
    """It has to last for `patience` updates, at every look."""
    bad, good = replace(SOUND, **just), replace(SOUND, **not_yet)
    looks = tuple((updates, bad) for updates in (0, 50, 100, 550))
    now = replace(HEALTHY, updates=600, pseudo_labels=bad, past_pseudo_labels=looks)
    assert names(now) == [name]
    assert names(replace(now, pseudo_labels=good)) == []
    assert names(replace(now, past_pseudo_labels=(*looks[:-1], (550, good)))) == []
    assert names(replace(now, past_pseudo_labels=((0, good), *looks[1:]))) == [name]
    assert names(replace(now, past_pseudo_labels=looks[3:])) == []
    assert names(replace(now, past_pseudo_labels=())) == []

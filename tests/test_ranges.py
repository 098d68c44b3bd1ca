"""A number is taken up to the ends of its range and not beyond: the range that the docstring states, and the message
for a number that is far outside.

The test finds functions and their numbers by signatures, and calls them as the example of their docstring does.
"""

import doctest
import importlib
import inspect
import math
import pkgutil
import re
from functools import cache

import keras
import numpy as np
import pytest

from tests.test_documented_defaults import documented

pytestmark = pytest.mark.once

PACKAGES = ("losses", "attacks", "layers")
NUMBER = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"
INTERVAL = re.compile(rf"\b(?:in|lie in) ([\[(]){NUMBER}, {NUMBER}([\])])")
FROM_TO = re.compile(rf"\bfrom {NUMBER} to {NUMBER}")
LOWEST = (  # of what kind an end is: whether it is taken itself
    (re.compile(rf"\bat least {NUMBER}"), True),
    (re.compile(rf"{NUMBER} or more"), True),
    (re.compile(r"\bnot (?:be )?negative()"), True),
    (re.compile(rf"\b(?:greater than|above) {NUMBER}"), False),
    (re.compile(rf"(?:^|\w )> {NUMBER}"), False),
    (re.compile(r"\bpositive()"), False),
)
HIGHEST = (
    (re.compile(rf"\bat most {NUMBER}"), True),
    (re.compile(rf"\b(?:less than|below) {NUMBER}"), False),
)
# Numbers that have no range of their own, with the reason.
FREE = {
    "log_baseline": "any finite number",
    "margin": "any finite number",
    "power": "any finite number",
    "log_zero": "any negative number",
    "axis": "any axis",
    "seed": "any integer",
    "low": "less than `high`",
    "high": "more than `low`",
    "unused": "below 0 is as 0",
    "global_count": "at least the samples of the batch",
    "options": "numbers of another function, by name",
}
# Ends that another argument of the example rules out.
ENDS = {
    ("joint_labels", "count"): "1 is too few for the example's classes",
    ("UniversalPerturbation", "epsilon"): "0 is too small for the example's `delta`",
}


Z = np.random.default_rng(0).normal(size=(3, 8, 4)).astype("float32")
PAIR = {"z1": Z[0], "z2": Z[1]}
# Calls of functions whose docstring has no example.
CALLS = {
    **dict.fromkeys(("dcl_loss", "hard_contrastive_loss", "image_pair_loss", "nt_xent_loss", "sog_clr_loss"), PAIR),
    **dict.fromkeys(("multi_view_dhel_loss", "multi_view_info_nce_loss"), {"views": list(Z)}),
    "groco_loss": {"views": list(Z), "negatives": 2},
    "label_distributionally_robust_loss": {"logits": Z[0], "labels": np.arange(8) % 4},
    "distillation_loss": {"student": Z[0], "teacher": Z[1]},
    "info_nce_loss": {"queries": Z[0], "keys": Z[1]},
    "isr_loss": {**PAIR, "matching": np.arange(8)},
    "nnclr_loss": {"embeddings": Z[0], "predictions": Z[1], "bank": Z[2]},
    "pseudo_label_loss": {"weak": Z[0], "strong": Z[1]},
    "ressl_loss": {"student": Z[0], "teacher": Z[1], "bank": Z[2]},
    "similarity_distillation_loss": {"student": Z[0], "teacher": Z[1], "queue": Z[2]},
    "sup_con_loss": {**PAIR, "labels": np.arange(8) // 2},
}


class _Called(Exception):
    """The example has come to the call."""


def first_call(target, module):
    """The arguments that the docstring's example gives first, by name; None where there is no example."""
    given = []

    def record(*arguments, **named):
        given.append(inspect.signature(target).bind(*arguments, **named).arguments)
        raise _Called

    names = {**vars(module), "np": np, "keras": keras, target.__name__: record}
    for example in doctest.DocTestParser().get_examples(inspect.getdoc(target) or ""):
        try:
            exec(compile(example.source, target.__name__, "exec"), names)  # noqa: S102
        except _Called:
            return given[0]
    return None


def kind_of(parameter):
    """int, float, or None for what is no number."""
    parts = {part.strip() for part in inspect.formatannotation(parameter.annotation).split("|")}
    return float if "float" in parts else int if "int" in parts else None


@cache
def public():
    """Every public function and class by its name, with its module."""
    found = {}
    for package in PACKAGES:
        root = importlib.import_module(f"keras_ssl.{package}")
        for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            module = importlib.import_module(info.name)
            for name, target in vars(module).items():
                listed = name in getattr(module, "__all__", ()) and ">>>" in (inspect.getdoc(target) or "")
                if callable(target) and (listed or (name in CALLS and target.__module__ == info.name)):
                    found[name] = target, module
    return found


def numbers():
    for name, (target, _) in sorted(public().items()):
        for parameter in inspect.signature(target).parameters.values():
            if kind_of(parameter) and parameter.name not in FREE:
                yield name, parameter.name


def ends(text):
    """((lowest, taken) or None, (highest, taken) or None) of the range in a sentence."""
    if found := INTERVAL.search(text):
        return (float(found[2]), found[1] == "["), (float(found[3]), found[4] == "]")
    if found := FROM_TO.search(text):
        return (float(found[1]), True), (float(found[2]), True)
    low, high = (
        next(((float(found[1] or 0), taken) for form, taken in forms if (found := form.search(text))), None)
        for forms in (LOWEST, HIGHEST)
    )
    return low, high


def last_taken(end, kind):
    """An end in one way for "above 0" and "at least 1" of integers."""
    return (end[0] + 1, True) if kind is int and not end[1] else end


def refusal(target, given, argument, value):
    """The message of the error about an argument; "" where it is taken."""
    try:
        target(**{**given, argument: value})
    except ValueError as error:
        if f"Received: {argument}=" in str(error):
            return str(error)
        raise
    return ""


def test_what_counts_as_a_range():
    assert ends("`x` must lie in [0, 1). Received: x=2") == ((0, True), (1, False))
    assert ends("must be a finite number greater than 0.5") == ((0.5, False), None)
    assert ends("T > 0. Defaults to 0.1.") == ((0, False), None)
    assert ends("must be an integer of at least 2") == ((2, True), None)
    assert ends("must be positive and at most 8") == ((0, False), (8, True))
    assert ends("must be an integer from 1 to 3") == ((1, True), (3, True))
    assert ends("any number") == (None, None)


def test_most_numbers_are_asked():
    assert len(list(numbers())) > 180 and set(CALLS) <= set(public())


@pytest.mark.parametrize(("name", "argument"), list(numbers()))
def test_a_number_is_taken_to_the_ends_of_its_range(name, argument):
    target, module = public()[name]
    given = CALLS.get(name) or first_call(target, module)
    kind = kind_of(inspect.signature(target).parameters[argument])
    message = refusal(target, given, argument, kind(-1e6))
    assert message, f"{name} takes {argument}=-1e6"
    low, high = ends(message)
    stated = ends(documented(target).get(argument, "").partition("efaults")[0])
    for told, held in zip(stated, (low, high), strict=True):
        assert told is None or held is None or last_taken(told, kind) == last_taken(held, kind), message
    assert low is not None, message
    for end, outward in ((low, -1), (high, 1)):
        if end is None:
            continue
        value, taken = kind(end[0]), end[1]
        beyond = kind(value + outward * (1 if kind is int else 1e-6)) if taken else value
        assert refusal(target, given, argument, beyond), f"{name} takes {argument}={beyond}: {message}"
        inside = value if taken else value - outward if kind is int else value - outward * 1e-6
        if (name, argument) not in ENDS:
            assert not refusal(target, given, argument, inside)
    if kind is float:
        assert refusal(target, given, argument, math.nan)

"""The public names and signatures are those that the snapshot has."""

import difflib
from typing import Literal

import pytest

import tests.api as api


@pytest.mark.once
def test_the_public_names_are_those_of_the_snapshot():
    before, now = api.SNAPSHOT.read_text(encoding="utf-8").splitlines(), api.snapshot().splitlines()
    changes = "\n".join(difflib.unified_diff(before, now, "tests/api.txt", "the library", lineterm="", n=0))
    assert not changes, f"If users are to have this change, `make api` writes it down.\n{changes}"


@pytest.mark.once
def test_a_signature_shows_names_and_defaults():
    def function(a: int, *, b: Literal["x"] = "x", c=len, d=object()) -> int:  # noqa: B008
        return a

    assert api.lines("f", function) == ["f(a, *, b='x', c=len, d=object)"]


@pytest.mark.once
def test_a_class_shows_what_it_defines():
    class Thing:
        """A thing."""

        size = 3

        def __init__(self, size=1): ...
        @property
        def area(self): ...
        @classmethod
        def make(cls, text): ...
        def _own(self): ...

    assert api.lines("T", Thing) == ["T(size=1)", "T.area (property)", "T.make(cls, text)"]
    assert api.lines("p", api) == ["p (module)"] and api.lines("c", 3) == ["c = int"]

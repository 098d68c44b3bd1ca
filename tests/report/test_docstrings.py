"""The examples in the docstrings."""

import doctest

import pytest

from keras_ssl.report import Part, markup


@pytest.mark.parametrize("public", [Part, markup.element])
def test_example(public):
    names = {"Part": Part, "element": markup.element}
    (example,) = doctest.DocTestFinder(recurse=False).find(public, public.__name__, globs=names)
    said = []
    assert example.examples and doctest.DocTestRunner().run(example, out=said.append).failed == 0, "".join(said)

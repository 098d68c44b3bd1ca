"""A module of a package is exported by its own `__all__`, under its own name too."""

import importlib
import sys

import pytest

from keras_ssl.exports import exported_names

pytestmark = pytest.mark.once
INIT = """
from keras_ssl.exports import lazy_exports

__getattr__, _more = lazy_exports(__name__, __file__)
__all__ = [*_more]
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    root = tmp_path / "packed"
    (root / "inner").mkdir(parents=True)
    (root / "__init__.py").write_text(INIT)
    (root / "inner" / "__init__.py").write_text("")
    (root / "foo.py").write_text('__all__ = ["foo", "Other"]\n\ndef foo():\n    return 1\n\nclass Other: pass\n')
    (root / "inner" / "bar.py").write_text('__all__ = [\n    "bar",\n]\n\ndef bar():\n    return 2\n')
    (root / "private.py").write_text("def hidden(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("packed")
    for name in [name for name in sys.modules if name.split(".")[0] == "packed"]:
        del sys.modules[name]


def test_modules_are_imported_when_asked_for(package):
    assert package.__all__ == ["Other", "bar", "foo"]
    assert "packed.foo" not in sys.modules
    assert package.foo() == 1 and package.foo() == 1 and package.bar() == 2
    with pytest.raises(AttributeError, match="'packed' has no attribute 'hidden'"):
        package.hidden  # noqa: B018


def test_a_file_imported_by_its_path_does_not_hide_its_function(package):
    importlib.import_module("packed.foo")
    assert package.foo() == 1


def test_a_name_is_exported_once(package, tmp_path):
    (tmp_path / "packed" / "again.py").write_text('__all__ = ["foo"]\n')
    exported_names.cache_clear()
    with pytest.raises(ValueError, match="Received: 'foo' in packed.again and in packed.foo"):
        exported_names("packed", str(tmp_path / "packed"))

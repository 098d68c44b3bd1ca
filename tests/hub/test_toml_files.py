import numpy as np
import pytest

from keras_ssl.hub.parse_text import read_toml
from keras_ssl.hub.toml_files import from_toml, toml_text


def test_round_trip_of_plain_values(tmp_path):
    tables = {
        "text": 'a "quoted" word\nand a line',
        "number": 1e-4,
        "yes": True,
        "nothing": None,
        "shape": (None, None, 3),
        "array": np.arange(3),
        "scalar": np.float32(0.5),
        "long": list(range(60)),
        "nested": [[1, 2], [3]],
        "table": {"a": {"b": [None, "x"]}},
    }
    path = tmp_path / "t.toml"
    path.write_text(toml_text(tables), encoding="utf-8")
    back = from_toml(read_toml(path))
    assert back == {**tables, "shape": [None, None, 3], "array": [0, 1, 2], "scalar": 0.5}


def test_short_lists_take_one_line():
    assert toml_text({"shape": (None, None, 3)}) == 'shape = ["none", "none", 3]\n'
    assert max(len(line) for line in toml_text({"long": list(range(60))}).splitlines()) < 100


def test_a_text_with_the_look_of_a_list_is_kept(tmp_path):
    tables = {"text": "[\n    1,\n]", "list": ["[\n    1,\n]", "a,b"]}
    path = tmp_path / "t.toml"
    path.write_text(toml_text(tables), encoding="utf-8")
    assert read_toml(path) == tables


def test_other_values_are_named():
    with pytest.raises(ValueError, match="'a.b' must be.*Received: a.b=<function"):
        toml_text({"a": {"b": lambda: 0}})


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", None])
def test_a_bad_file_is_named(tmp_path, content):
    path = tmp_path / "bad.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read.*bad.toml"):
        read_toml(path)

import os

import pytest

from keras_ssl.hub.parse_text import parse_text, read_json, read_toml


@pytest.mark.parametrize(
    "text, words",
    [
        ("a = " + "[" * 20_000 + "]" * 20_000, "nested"),
        ("a = " + "[" * 60 + "]" * 60, "nested"),
        ("a = " + "{a = " * 20_000 + "1" + "}" * 20_000, "nested"),
        (".".join("a" * 20_000) + " = 1", "nested"),
        ("a = " + "9" * 5000, "digits"),
        ("a = 0x" + "f" * 5000, "64 bits"),
        ("a = [[1, 9223372036854775808]]", "64 bits"),
        ("a = \xff", "codec|decode"),
        ("a = 2026-02-31", "."),
        ("a =", "."),
    ],
    ids=range(10),
)
def test_texts_at_the_limits_of_parsers_are_an_error_that_names_the_file(tmp_path, text, words):
    path = tmp_path / "a.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=f"A TOML file cannot be read: .*{words}.*Received: path='") as caught:
        read_toml(path)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "9" * 5000, "{", '{"a":' * 60 + "1" + "}" * 60, "18446744073709551616"], ids=range(5)
)
def test_json_has_the_same_limits(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match="A JSON file cannot be read: .*Received: path='"):
        read_json(tmp_path / "a.json")


def test_values_within_the_limits_are_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, -9223372036854775808, null, 1e400, true]}')
    assert read_json(tmp_path / "a.json")["a"][:3] == [1, -(2**63), None]
    assert parse_text("a = " + "[" * 40 + "]" * 40)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("fifo", "zero", "a" * 5000, "a\0b"):
        with pytest.raises(ValueError, match="A TOML file cannot be read"):
            read_toml(tmp_path / name)

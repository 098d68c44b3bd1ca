import hashlib
import os
import random
from pathlib import Path

import pytest

from keras_ssl.hub import CardFile


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "//etc/passwd", "a/../../b", "", "c:\\x", "a\\b", 3])
def test_file_names_stay_inside_the_folder(name):
    with pytest.raises(ValueError, match="inside the entry's folder"):
        CardFile(name, 1, "0" * 64)


def test_no_name_leads_out_of_the_folder(tmp_path):
    rng = random.Random(0)
    parts = [
        "..",
        ".",
        "/",
        "//",
        "a",
        "b.c",
        "\\",
        ":",
        "\0",
        "~",
        "%2e%2e",
        " ",
        "\n",
        "ä",
        "C:",
        "-",
        "*",
        "....",
        "$HOME",
    ]
    allowed = 0
    for _ in range(5000):
        name = "".join(rng.choices(parts, k=rng.randint(1, 6)))
        try:
            CardFile(name, 1, "0" * 64)
        except ValueError:
            continue
        allowed += 1
        place = Path(os.path.normpath(tmp_path / name))
        assert tmp_path in place.parents, name
    assert 500 < allowed < 4500


@pytest.mark.parametrize("size, sha256", [(-1, "0" * 64), (True, "0" * 64), (1, "0" * 63), (1, "G" * 64)])
def test_size_and_hash_have_their_form(size, sha256):
    with pytest.raises(ValueError, match="Received: (size|sha256)="):
        CardFile("a", size, sha256)


def test_a_file_is_read_only_if_it_is_the_one(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"abc")
    file = CardFile.of(tmp_path / "sub" / "a", tmp_path)
    assert file == CardFile("sub/a", 3, hashlib.sha256(b"abc").hexdigest())
    assert file.read(tmp_path) == b"abc"
    (tmp_path / "sub" / "a").write_bytes(b"abd")
    with pytest.raises(ValueError, match="sha256 must be ba7816bf.*Received: path="):
        file.read(tmp_path)
    assert file.read(tmp_path, verify=False) == b"abd"
    (tmp_path / "sub" / "a").write_bytes(b"ab")
    with pytest.raises(ValueError, match="must have 3 bytes. Received: path=.*of 2 bytes"):
        file.read(tmp_path, verify=False)
    (tmp_path / "sub" / "a").unlink()
    with pytest.raises(ValueError, match="cannot be read.*No such file"):
        file.read(tmp_path)


def test_only_a_first_use_with_a_url_has_no_hash():
    with pytest.raises(ValueError, match="64 hexadecimal digits. Received: sha256='first-use'"):
        CardFile("a", 1, "first-use")
    assert CardFile("a", 1, "first-use", "https://example.org/a").sha256 == "first-use"


def test_only_a_file_with_an_address_may_have_no_size():
    assert CardFile("a", None, "0" * 64, "https://example.org/a").size_text == "size unknown"
    assert CardFile("a", None, "first-use", "https://example.org/a").size_text == "size unknown"
    assert CardFile("a", 3, "first-use", "https://example.org/a").size_text == "3 bytes"
    for sha256 in ("0" * 64, "first-use"):
        with pytest.raises(ValueError, match="number of bytes. Received: size=None"):
            CardFile("a", None, sha256, None)


@pytest.mark.parametrize("url", ["http://example.org/a", "a", "file:///a", "https://u:p@example.org/a", "https://", 3])
def test_a_card_s_address_is_secure(url):
    with pytest.raises(ValueError, match="`url` must be an address of https.*Received: url="):
        CardFile("a", 1, "0" * 64, url)

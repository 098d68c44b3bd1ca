"""What a publisher gives of a hash: the beginning of a sha256, or an md5, in the card, the download and the cache."""

import hashlib
from dataclasses import replace

import pytest

from keras_ssl import hub
from keras_ssl.hub import Card, CardFile, fetch
from tests.hub.downloads import CONTENT, NAME, SHA256, fails, leftovers, without_backend

pytestmark = without_backend
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
RIGHT = [{"sha256_prefix": SHA256[:8]}, {"md5": MD5}, {"md5": MD5[:6]}, {"sha256_prefix": SHA256[:6], "md5": MD5}]


def flipped(digits):
    """The same digits but for the last."""
    return digits[:-1] + ("0" if digits[-1] != "0" else "1")


WRONG = [{key: flipped(value) for key, value in known.items()} for known in RIGHT]


@pytest.fixture
def partly(file):
    return lambda **known: replace(file, sha256="first-use", size=None, **known)


@pytest.mark.parametrize("known", RIGHT)
def test_a_file_that_agrees_is_taken_and_recorded(server, partly, target, known):
    assert fetch(partly(**known), progress=False).read_bytes() == CONTENT
    server.files[f"/{NAME}"] = CONTENT[::-1]
    assert fetch(partly(**known), progress=False).read_bytes() == CONTENT and len(server.paths) == 1
    assert [name for name in leftovers(target) if name.endswith(".lock")]


@pytest.mark.parametrize("known", WRONG)
def test_a_file_that_does_not_agree_is_refused_from_the_first(server, partly, target, known):
    text = fails(partly(**known), "which must (begin with|be) ")
    assert all(value in text for value in list(known.values())[:1])
    assert not target.exists() and leftovers(target) == []


@pytest.mark.parametrize("known", WRONG)
def test_a_cached_file_that_does_not_agree_is_moved_aside(server, partly, target, known):
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT)
    fails(partly(**known), "which must")
    assert leftovers(target) == [f"{target.name}.bad"]


def test_a_mirror_that_has_another_file_is_passed_over(server, partly, tmp_path):
    (tmp_path / "mirror" / NAME).parent.mkdir(parents=True)
    (tmp_path / "mirror" / NAME).write_bytes(CONTENT[::-1])
    found = fetch(partly(md5=MD5), mirrors=[tmp_path / "mirror"], progress=False)
    assert found.read_bytes() == CONTENT and len(server.paths) == 1


@pytest.mark.parametrize("known", RIGHT)
def test_only_a_full_sha256_will_do_where_a_hash_is_required(server, partly, file, known):
    with pytest.raises(ValueError, match="no full sha256 of this file.*Received: require_hash=True"):
        fetch(partly(**known), require_hash=True, progress=False)
    assert server.paths == []
    assert fetch(replace(file, **known), require_hash=True, progress=False).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "known, match",
    [
        ({"sha256_prefix": "abcde"}, "sha256_prefix` must be 6 to 64"),
        ({"sha256_prefix": "ABCDEF"}, "Received: sha256_prefix='ABCDEF'"),
        ({"sha256_prefix": 7}, "Received: sha256_prefix=7"),
        ({"md5": "0" * 33}, "md5` must be 6 to 32"),
        ({"md5": ""}, "Received: md5=''"),
        ({"sha256_prefix": "123456"}, "must be how its `sha256` begins"),
    ],
)
def test_what_is_no_hash_is_refused(known, match):
    with pytest.raises(ValueError, match=match):
        CardFile("a", 1, "0" * 64, "https://example.org/a", **known)


def test_cards_hold_them(tmp_path):
    file = CardFile("net.pth", None, "first-use", "https://example.org/net.pth", sha256_prefix="8ff0bc", md5="0" * 32)
    architecture = {"name": "ConvNet", "arguments": {}}
    written = Card(name="e", architecture=architecture, files=(file,), checkpoint={"path": "net.pth"})
    written.write(tmp_path / "card.toml")
    assert Card.read(tmp_path / "card.toml") == written
    text = hub.card_text.card_text(written)
    assert "sha256 begins with 8ff0bc, md5 " + "0" * 32 in text


def test_verify_compares_them(house, server):
    server.files["/net.pth"] = CONTENT
    file = CardFile("net.pth", None, "first-use", f"{server.address}/net.pth")
    architecture = {"name": "ConvNet", "arguments": {}}
    card = Card(name="far", architecture=architecture, files=(file,), checkpoint={"path": "net.pth"})

    def state(**known):
        replace(card, files=(replace(file, **known),)).write(house / "zoo" / "far.toml")
        return hub.verify("far")[0].state

    place = house / "cache" / "far" / "net.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert state() == "unknown"
    assert [state(**known) for known in RIGHT] == ["ok"] * len(RIGHT)
    assert [state(**known) for known in WRONG] == ["bad"] * len(WRONG)

"""scripts/zoo.py, run as a user runs it: a small entry on a server of this machine, fetched, verified and published."""

import hashlib
import re
from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.hub import Card, CardFile
from tests.checkpoints.published import resnet, write
from tests.forking import run_repeatedly
from tests.hub.fake_hub import FakeHub
from tests.hub.faulty_server import FaultyServer
from tests.hub.published_entries import IMAGENET, RESNET
from tests.scripts.test_scripts import ON_TENSORFLOW

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ON_TENSORFLOW, reason="what the script calls is tested on both backends"),
]
CACHE = "--cache_dir=cache"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """An entry whose weights are on a server, and what the script said to each list of arguments."""
    folder = tmp_path_factory.mktemp("workplace")
    write(folder / "net.pth", resnet()[0])
    pytest.importorskip("huggingface_hub")
    with FaultyServer() as server, FakeHub() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.address)
        patch.setenv("HF_TOKEN", "hf_test")
        server.files["/net.pth"] = (folder / "net.pth").read_bytes()
        file = CardFile("net.pth", None, "first-use", f"{server.address}/net.pth")
        fields = {"description": "Far away.", "license": "CC-BY-NC-4.0", "preprocessing": IMAGENET}
        card = Card("far", RESNET, (file,), checkpoint={"path": "net.pth"}, **fields)
        (folder / "far").mkdir()
        card.write(folder / "far" / "card.toml")
        (folder / "spoilt").mkdir()
        (folder / "spoilt" / "net.pth").write_bytes(b"spoilt")
        spoilt = CardFile("net.pth", 6, "0" * 64)
        replace(card, files=(spoilt,)).write(folder / "spoilt" / "card.toml")
        accepted = "--accept_license=CC-BY-NC-4.0"
        cases = {
            "list": ["list"],
            "show": ["show", "far", CACHE],
            "absent": ["verify", "far", CACHE],
            "refused": ["fetch", "far", CACHE],
            "hash required": ["fetch", "far", CACHE, accepted, "--require_hash"],
            "fetch": ["fetch", "far", CACHE, accepted],
            "sound": ["verify", "far", CACHE],
            "unpublished": ["publish", "tree", "far", CACHE],
            "publish": ["publish", "tree", "far", "barlow_digits", CACHE, accepted],
            "published": ["verify", "tree/far", "tree/barlow_digits"],
            "spoilt": ["verify", "spoilt", "barlow_digits"],
            "all": ["verify", "--all", CACHE],
            "repository": ["repository", "barlow_digits", "to_upload", CACHE],
            "push": ["push", "barlow_digits", "me/digits", CACHE],
            "no owner": ["push", "barlow_digits", "digits", CACHE],
            "one": ["push", "barlow_digits"],
            "show there": ["show", "hf://me/digits", CACHE],
            "fetch there": ["fetch", "hf://me/digits", CACHE],
            "not there": ["fetch", "hf://me/others", CACHE],
            "skeleton": ["card", "new.toml"],
            "read": ["card", "new.toml"],
            "no card": ["card", "net.pth"],
            "no folder": ["card", "nowhere/new.toml"],
            "command": ["frob"],
            "nothing": [],
            "names": ["show"],
            "too many": ["list", "far"],
            "neither": ["verify"],
            "unknown": ["fetch", "barlow_digit"],
        }
        ends = run_repeatedly("zoo.py", *cases.values(), cwd=folder)
        yield folder, dict(zip(cases, ends, strict=True)), server.paths


def said(workplace, case):
    error, text = workplace[1][case]
    assert error is None, error
    return text


def test_the_list_and_a_card_say_what_there_is(workplace):
    head, *rows = said(workplace, "list").splitlines()
    assert head.split() == ["name", "license", "size", "here", "channels", "hash", "architecture"]
    row = next(row for row in rows if row.startswith("barlow_digits "))
    assert row.split()[:5] == ["barlow_digits", "Apache-2.0", "394.2", "kB", "yes"] and "ConvNet(" in row
    row = next(row for row in rows if row.startswith("mae_vitb16 "))
    assert row.split()[:6] == ["mae_vitb16", "CC-BY-NC-4.0", "(ask)", "343.2", "MB", "no"] and "ViT(" in row
    names = [row.split()[0] for row in rows if row and not row.startswith("(")]
    assert set(names) >= set(keras_ssl.list_models())
    shown = said(workplace, "show")
    assert (
        shown.startswith("far: Far away.") and 'accept_license="CC-BY-NC-4.0"' in shown and "here:          no" in shown
    )


def test_weights_are_fetched_once_their_license_is_accepted(workplace):
    folder, ends, asked = workplace
    target = folder / "cache" / "far" / "net.pth"
    assert target.read_bytes() == (folder / "net.pth").read_bytes() and asked == ["/net.pth"]
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    assert f"far: {target}, " in said(workplace, "fetch") and digest in said(workplace, "fetch")
    assert "absent  net.pth: no file at" in said(workplace, "absent")
    assert f"far: ok      net.pth: {target.stat().st_size} bytes, sha256 {digest}" in said(workplace, "sound")


def test_what_is_published_is_sound_and_loads(workplace):
    folder, _, _ = workplace
    assert said(workplace, "publish") == "Published to tree: far, barlow_digits\n"
    lines = said(workplace, "published").splitlines()
    assert sum(" ok " in line for line in lines) == len(lines) - 1  # a published checkpoint has no golden features
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype("uint8")
    loaded, shipped = (keras_ssl.load(name) for name in (folder / "tree" / "barlow_digits", "barlow_digits"))
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(model(images)) for model in (loaded, shipped)))


def test_verify_ends_with_what_is_not_as_it_must_be(workplace):
    error, text = workplace[1]["spoilt"]
    assert error == "zoo.py: error: 1 not as they must be: spoilt: net.pth"
    assert "barlow_digits: ok      golden features: differ by" in text and "spoilt: bad     net.pth: sha256" in text
    assert "barlow_digits: ok      golden features" in said(workplace, "all")


def test_an_entry_goes_to_the_hugging_face_hub_and_comes_back(workplace):
    folder, _, _ = workplace
    assert said(workplace, "repository").startswith("Written to ") and (folder / "to_upload" / "README.md").is_file()
    commit = re.fullmatch(r"Uploaded: keras_ssl.load\('hf://me/digits@([0-9a-f]{40})'\)\n", said(workplace, "push"))[1]
    assert said(workplace, "show there").startswith("barlow_digits: Barlow Twins on handwritten digits")
    fetched = said(workplace, "fetch there")
    assert f"snapshots/{commit}/encoder.safetensors, 394.2 kB" in fetched


def test_a_card_is_written_to_fill_in_and_then_read(workplace):
    assert said(workplace, "skeleton").startswith("Written to new.toml")
    assert said(workplace, "read").startswith("new: ") and "ResNet(depth=50)" in said(workplace, "read")


def test_mistakes_are_one_line(workplace):
    messages = {
        "refused": "Received: accept_license=None",
        "hash required": "Received: require_hash=True",
        "unpublished": "Received: accept_license=None",
        "no card": "TOML file cannot be read",
        "no folder": "No such file or directory",
        "command": "must be one of list, show, fetch, verify, publish, push, repository, card. Received: frob",
        "nothing": "Received: none",
        "names": "show takes one name. Received: none",
        "too many": "list takes no name. Received: far",
        "neither": "verify takes names, or --all. Received: neither",
        "unknown": "Closest: barlow_digits",
        "no owner": "Received: repository='digits'",
        "one": "push takes two names. Received: barlow_digits",
        "not there": "The Hugging Face Hub has no such repository",
    }
    for case, message in messages.items():
        error, _ = workplace[1][case]
        assert error is not None and error.startswith("zoo.py: error: ") and message in error and "\n" not in error

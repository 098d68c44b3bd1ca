import shutil
import sys

import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.hub import DownloadError, hugging_face_repository
from keras_ssl.hub.card import CARD_NAME
from keras_ssl.hub.catalogue import data_folder, find
from tests.hub.downloads import without_backend
from tests.hub.entries import run

pytestmark = without_backend
NAME, WEIGHTS, ENTRY = "me/tiny", "encoder.safetensors", data_folder("saved_models") / "barlow_digits"


@pytest.fixture
def files():
    """The files of an entry, by name."""
    return {path.relative_to(ENTRY).as_posix(): path.read_bytes() for path in ENTRY.rglob("*") if path.is_file()}


def refused(error, match, address, **options):
    """The message of a load that must fail."""
    with pytest.raises(error, match=match) as caught:
        keras_ssl.load(address, progress=False, **options)
    text = str(caught.value)
    assert "Received: " in text and "\n" not in text
    return text


def test_a_commit_and_a_branch_give_the_entry(fake_hub, files, images, capsys):
    commit = fake_hub.put(NAME, files)
    expected = run(keras_ssl.load(ENTRY), images)
    for address in (f"hf://{NAME}@{commit}", f"hf://{NAME}", f"hf://{NAME}@main"):
        np.testing.assert_array_equal(run(keras_ssl.load(address, progress=False), images), expected)
    told = [line for line in capsys.readouterr().err.splitlines() if "is at commit" in line]
    assert told == [f"hf://{NAME} is at commit {commit}; hf://{NAME}@{commit} stays the same."]
    fetched = {line for line in fake_hub.asked if line.startswith("GET") and ("/resolve/" in line or "/far/" in line)}
    assert {line.rsplit("/", 1)[1] for line in fetched} == {CARD_NAME, WEIGHTS}  # and no file that nobody reads
    assert len([line for line in fake_hub.asked if line.startswith("GET /far/")]) == 1


def test_a_token_stays_at_the_hub(fake_hub, files):
    commit = fake_hub.put(NAME, files)
    keras_ssl.load(f"hf://{NAME}@{commit}", progress=False)
    for asked, token in fake_hub.tokens.items():
        if "/far/" in asked:
            assert token is None
        elif NAME in asked:
            assert token == "Bearer hf_test"


def test_a_cached_commit_is_read_without_asking(fake_hub, files, images, monkeypatch):
    commit = fake_hub.put(NAME, files)
    address = f"hf://{NAME}@{commit}"
    expected = run(keras_ssl.load(address, progress=False), images)
    fake_hub.put(NAME, {CARD_NAME: b"another"})  # the branch moves on
    fake_hub.asked.clear()
    np.testing.assert_array_equal(run(keras_ssl.load(address, require_hash=True), images), expected)
    monkeypatch.setenv("KERAS_SSL_OFFLINE", "1")
    np.testing.assert_array_equal(run(keras_ssl.load(address), images), expected)
    assert {found.what: found.state for found in hub.verify(address)}[WEIGHTS] == "ok"
    assert not fake_hub.asked


def test_a_branch_that_moved_gives_the_new_entry(fake_hub, files, images):
    fake_hub.put(NAME, files)
    keras_ssl.load(f"hf://{NAME}", progress=False)
    fake_hub.put(NAME, {**files, CARD_NAME: files[CARD_NAME].replace(b'"barlow_digits"', b'"renamed"', 1)})
    assert find(f"hf://{NAME}").read_card().name == "renamed"


def test_without_the_hub_a_branch_is_unknown_and_a_missing_file_stays_missing(fake_hub, files, monkeypatch):
    commit = fake_hub.put(NAME, files)
    monkeypatch.setenv("KERAS_SSL_OFFLINE", "1")
    assert "which has none" in refused(DownloadError, "main branch", f"hf://{NAME}")
    refused(DownloadError, "card.toml of this commit is not in the cache", f"hf://{NAME}@{commit}")
    monkeypatch.delenv("KERAS_SSL_OFFLINE")
    find(f"hf://{NAME}@{commit}")
    monkeypatch.setenv("KERAS_SSL_OFFLINE", "1")
    assert commit in refused(DownloadError, "Which commit v2 is at", f"hf://{NAME}@v2")
    refused(DownloadError, f"{WEIGHTS} is not in the cache", f"hf://{NAME}@{commit}")


def test_a_hub_that_cannot_be_reached(fake_hub, files, monkeypatch):
    commit = fake_hub.put(NAME, files)
    find(f"hf://{NAME}@{commit}")
    fake_hub.http.shutdown()
    fake_hub.http.server_close()
    for address in (f"hf://{NAME}", f"hf://{NAME}@{'1' * 40}", f"hf://{NAME}@{commit}"):
        refused(DownloadError, "cannot be reached", address)


def test_require_hash_takes_a_commit_alone(fake_hub, files):
    fake_hub.put(NAME, files)
    refused(ValueError, "`require_hash` takes a commit", f"hf://{NAME}", require_hash=True)
    refused(ValueError, "`require_hash` takes a commit", f"hf://{NAME}@main", require_hash=True)
    assert not fake_hub.asked


@pytest.mark.parametrize(
    "address, match",
    [
        ("hf://me/absent", "no such repository"),
        (f"hf://me/absent@{'0' * 40}", "no such repository"),
        ("hf://me/other", "no entry of keras_ssl: it has no card.toml; the Hub says that it is one of transformers"),
        ("hf://me/gated", "on request"),
        (f"hf://{NAME}@absent", "no such revision"),
        (f"hf://{NAME}@{'0' * 40}", "no such revision"),
        *(
            (f"hf://{name}", "An address of the Hugging Face Hub is")
            for name in ("", "me", "me/a/b", "me/a@", "../a", "me/a--b", "me/a..b", "me/a@b/../c")
        ),
    ],
)
def test_what_is_no_entry_is_said_in_a_sentence(fake_hub, files, address, match):
    fake_hub.put(NAME, files)
    fake_hub.put("me/other", {"config.json": b"{}"})
    fake_hub.library["me/other"] = "transformers"
    fake_hub.put("me/gated", files)
    fake_hub.gated.add("me/gated")
    assert address[:300] in refused(ValueError, match, address)


def test_the_extra_is_named(monkeypatch, cache):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'keras_ssl\[huggingface\]'"):
        keras_ssl.load(f"hf://{NAME}")


def test_a_file_of_another_size_is_not_downloaded(fake_hub, files):
    commit = fake_hub.put(NAME, {**files, WEIGHTS: files[WEIGHTS] + b"\0"})
    refused(ValueError, f"it must have {len(files[WEIGHTS])} bytes", f"hf://{NAME}@{commit}")
    assert not any("/far/" in line for line in fake_hub.asked)


def test_other_bytes_than_the_card_says_are_not_kept(fake_hub, files, cache):
    spoilt = files[WEIGHTS][:-1] + bytes([files[WEIGHTS][-1] ^ 1])
    commit = fake_hub.put(NAME, {**files, WEIGHTS: spoilt})
    for verify in (True, False):
        refused(ValueError, "its sha256 must be", f"hf://{NAME}@{commit}", verify=verify)
        assert not [path for path in (cache / "huggingface").rglob("*") if path.is_file() and path.stat().st_size > 1e5]


def test_a_file_that_the_cache_spoilt_is_found(fake_hub, files):
    commit = fake_hub.put(NAME, files)
    keras_ssl.load(f"hf://{NAME}@{commit}", progress=False)
    path = find(f"hf://{NAME}@{commit}").folder / WEIGHTS
    path.write_bytes(files[WEIGHTS][:-1] + bytes([files[WEIGHTS][-1] ^ 1]))
    refused(ValueError, "its sha256 must be", f"hf://{NAME}@{commit}")


@pytest.mark.parametrize("name", ["../../outside.safetensors", "/etc/outside.safetensors"])
def test_a_card_that_names_files_outside_is_refused(fake_hub, files, name):
    card = files[CARD_NAME].replace(f'"{WEIGHTS}"'.encode(), f'"{name}"'.encode())
    commit = fake_hub.put(NAME, {**files, CARD_NAME: card})
    refused(ValueError, "a path inside the entry's folder", f"hf://{NAME}@{commit}")


def test_a_card_that_is_too_long_is_not_downloaded(fake_hub, files, monkeypatch):
    monkeypatch.setattr(hugging_face_repository, "MAX_TEXT", 100)
    commit = fake_hub.put(NAME, files)
    refused(ValueError, "must have at most 100 bytes", f"hf://{NAME}@{commit}")
    assert f"GET /{NAME}/resolve/{commit}/{CARD_NAME}" not in fake_hub.asked


@pytest.mark.parametrize("sha", ["../../elsewhere", "f" * 40])
def test_a_hub_that_answers_for_another_commit_is_not_believed(fake_hub, files, sha):
    commit = fake_hub.put(NAME, files)
    fake_hub.sha = sha
    refused(DownloadError, "must say which commit this is", f"hf://{NAME}@{commit}")


def test_weights_of_another_model_are_refused(fake_hub, files):
    card = files[CARD_NAME].replace(b"widths = [16,", b"widths = [8,", 1)
    assert card != files[CARD_NAME]
    commit = fake_hub.put(NAME, {**files, CARD_NAME: card})
    refused(ValueError, "not those of the model", f"hf://{NAME}@{commit}")


def test_an_entry_of_the_hub_is_published_and_verified(fake_hub, files, tmp_path, images):
    address = f"hf://{NAME}@{fake_hub.put(NAME, files)}"
    states = {found.what: found.state for found in hub.verify(address)}
    assert states[WEIGHTS] == "absent" and states["golden features"] == "unknown"
    assert hub.publish(tmp_path / "tree", [address], progress=False) == ["tiny"]
    assert {found.state for found in hub.verify(address)} == {"ok"}
    shutil.rmtree(find(address).folder)
    np.testing.assert_array_equal(
        run(keras_ssl.load(tmp_path / "tree" / "tiny"), images),
        run(keras_ssl.load(address, progress=False), images),
    )


def test_preprocessing_and_starting_point_know_the_hub(fake_hub, files):
    address = f"hf://{NAME}@{fake_hub.put(NAME, files)}"
    assert keras_ssl.preprocessing(address).name == "preprocessing"
    model = keras_ssl.SimCLR.from_entry(address, projector=(8, 4))
    assert type(model.encoder).__name__ == "ConvNet"

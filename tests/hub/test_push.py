import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.hub import DownloadError
from tests.hub.downloads import without_backend
from tests.hub.entries import run

pytestmark = without_backend


def test_what_was_pushed_is_loaded_by_its_commit(fake_hub, images):
    address = hub.push("barlow_digits", "me/tiny", private=True, progress=False)
    name, commit = address.split("@")
    assert name == "hf://me/tiny" and commit == fake_hub.branches["me/tiny"]["main"]
    assert fake_hub.private == ["me/tiny"]
    assert set(fake_hub.commits["me/tiny"][commit]) == {
        "README.md",
        "card.toml",
        "encoder.safetensors",
        "golden.safetensors",
    }
    np.testing.assert_array_equal(run(keras_ssl.load(address), images), run(keras_ssl.load("barlow_digits"), images))


def test_the_hub_is_asked_only_where_it_may_be(fake_hub, monkeypatch):
    with pytest.raises(ValueError, match="`repository` must be of the form owner/name"):
        hub.push("barlow_digits", "tiny")
    monkeypatch.setenv("KERAS_SSL_OFFLINE", "1")
    with pytest.raises(DownloadError, match="forbids to upload. Received: repository='me/tiny'"):
        hub.push("barlow_digits", "me/tiny")
    assert not fake_hub.asked

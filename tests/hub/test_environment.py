import sys
from pathlib import Path

import pytest

from keras_ssl.hub import cache_folder
from keras_ssl.hub.environment import environment_mirrors, is_set


def test_the_argument_comes_before_the_environment_and_that_before_the_platform(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SSL_CACHE", str(tmp_path / "environment"))
    assert cache_folder(tmp_path / "argument") == tmp_path / "argument"
    assert cache_folder() == tmp_path / "environment"
    monkeypatch.setenv("KERAS_SSL_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == tmp_path / "xdg" / "keras_ssl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "keras_ssl"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "keras_ssl"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "keras_ssl"


def test_a_cache_may_be_given_from_the_home_or_from_here(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert cache_folder("~/zoo") == cache_folder("zoo") == cache_folder(Path("zoo")) == tmp_path / "zoo"


@pytest.mark.parametrize(
    "text, mirrors", [("", []), (" , ", []), ("/a, https://b:8/c,d e", ["/a", "https://b:8/c", "d e"])]
)
def test_mirrors_are_separated_by_commas(monkeypatch, text, mirrors):
    monkeypatch.setenv("KERAS_SSL_ZOO", text)
    assert environment_mirrors() == mirrors


def test_a_switch_is_off_if_missing_empty_or_0(monkeypatch):
    monkeypatch.delenv("KERAS_SSL_OFFLINE", raising=False)
    assert not is_set("KERAS_SSL_OFFLINE")
    for text, on in (("", False), ("0", False), ("1", True), ("yes", True)):
        monkeypatch.setenv("KERAS_SSL_OFFLINE", text)
        assert is_set("KERAS_SSL_OFFLINE") is on


def test_a_folder_with_a_comma_stands_alone(tmp_path, monkeypatch):
    (tmp_path / "a,b").mkdir()
    monkeypatch.setenv("KERAS_SSL_ZOO", str(tmp_path / "a,b"))
    assert environment_mirrors() == [str(tmp_path / "a,b")]

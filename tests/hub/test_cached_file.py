import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from keras_ssl.hub import cached_file, fetch
from tests.hub.downloads import CONTENT, SHA256, damage, fails, leftovers, without_backend
from tests.hub.faulty_server import Fault

pytestmark = without_backend


@pytest.mark.parametrize("how", ["flip", "cut", "empty"])
@pytest.mark.parametrize("sha256", [SHA256, "first-use"])
def test_a_damaged_cached_file_is_downloaded_again(server, file, target, how, sha256):
    file = replace(file, sha256=sha256)
    fetch(file, progress=False)
    damage(target, how)
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert len(server.paths) == 2


def test_a_damaged_cached_file_leaves_its_name_even_if_no_other_comes(server, file, target, monkeypatch):
    fetch(file, progress=False)
    for switch in ("0", "1"):
        target.write_bytes(CONTENT[:-1] + b"?")
        monkeypatch.setenv("KERAS_SSL_OFFLINE", switch)
        server.script = [Fault(status=404)]
        fails(file, "404" if switch == "0" else "KERAS_SSL_OFFLINE")
        assert not target.exists() and leftovers(target) == ["encoder.safetensors.bad"]


def test_the_hash_is_computed_once_for_every_state_of_the_file(file, target, monkeypatch):
    fetch(file, progress=False)
    count = []
    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: count.append(1) or real(*args))
    fetch(file, progress=False)
    fetch(file, progress=False)
    assert len(count) == 2  # the file is seconds old: it might change without a trace
    monkeypatch.setattr(cached_file, "SETTLED", 0.0)
    for _ in range(3):
        fetch(file, progress=False)
    assert len(count) == 3
    monkeypatch.setenv("KERAS_SSL_VERIFY", "1")
    fetch(file, progress=False)
    assert len(count) == 4
    monkeypatch.delenv("KERAS_SSL_VERIFY")
    before = target.stat()
    damage(target, "flip")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had been
    assert fetch(file, progress=False).read_bytes() == CONTENT
    assert leftovers(target) == ["encoder.safetensors.bad"]


def test_a_read_only_cache_serves_what_it_has(server, file, target, tmp_path, monkeypatch):
    fetch(file, progress=False)

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # The superuser may write anywhere, so modes would not do.
    monkeypatch.setattr(Path, "mkdir", refuse)
    open_file = os.open
    writes = os.O_WRONLY | os.O_RDWR
    monkeypatch.setattr(os, "open", lambda *args: refuse() if args[1] & writes else open_file(*args))
    monkeypatch.setattr(os, "replace", refuse)
    assert fetch(file, progress=False) == target
    damage(target, "flip")
    fails(file, "cache cannot take or give tiny/encoder.safetensors .Permission denied.*KERAS_SSL_CACHE.*path=")
    fails(file, "Permission denied.*`cache_dir`, to another folder", cache_dir=tmp_path / "new")
    assert len(server.paths) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_write_permission_serves_what_it_has(file, target):
    fetch(file, progress=False)
    target.parent.chmod(0o500)
    try:
        assert fetch(file, progress=False) == target
        fails(replace(file, name="tiny/other"), "Permission denied")
    finally:
        target.parent.chmod(0o700)

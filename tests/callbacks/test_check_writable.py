import os

import pytest

from keras_ssl.callbacks import check_writable


def test_a_new_folder_is_made_and_left_empty(tmp_path):
    check_writable(tmp_path / "runs" / "1")
    assert os.listdir(tmp_path / "runs" / "1") == []
    check_writable(tmp_path / "runs" / "1")


def test_existing_files_are_left_alone(tmp_path):
    (tmp_path / "log").write_text("kept")
    check_writable(tmp_path)
    assert os.listdir(tmp_path) == ["log"] and (tmp_path / "log").read_text() == "kept"


def test_a_path_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"`path`.*\(Not a directory\). Received: path='.*/file/runs'"):
        check_writable(tmp_path / "file" / "runs")
    with pytest.raises(ValueError, match=r"Received: path='.*/file'"):
        check_writable(tmp_path / "file")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that nobody can write to")
def test_a_read_only_file_system():
    with pytest.raises(ValueError, match="Received: path='/proc/self/runs'"):
        check_writable("/proc/self/runs")


def test_no_permission(tmp_path):
    """What an ordinary user meets; root may write anywhere."""
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(ValueError, match=r"\(Permission denied\)"):
        check_writable(tmp_path)


def test_addresses_are_not_taken_for_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("gs://bucket/runs")
    assert os.listdir(tmp_path) == []

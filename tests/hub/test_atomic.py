import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from keras_ssl.hub import atomic_file, atomic_folder


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_appears_at_the_end(tmp_path):
    with atomic_file(tmp_path / "a.weights.h5") as staging:
        staging.write_text("new")
        assert staging.parent == tmp_path and staging.name.endswith("a.weights.h5")
        assert not (tmp_path / "a.weights.h5").exists()
    assert tree(tmp_path) == ["a.weights.h5"]


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a") as staging:
        staging.write_text("half")
        raise RuntimeError
    assert tree(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"


def test_a_folder_appears_at_the_end_with_those_above_it(tmp_path):
    with atomic_folder(tmp_path / "x" / "y") as staging:
        (staging / "f").write_text("new")
        assert not (tmp_path / "x" / "y").exists()
    assert tree(tmp_path) == ["x", "x/y", "x/y/f"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_no_folder(tmp_path, error):
    with pytest.raises(error), atomic_folder(tmp_path / "x" / "y") as staging:
        (staging / "f").write_text("half")
        raise error
    assert tree(tmp_path) == []


def test_an_existing_folder_is_kept_unless_overwritten(tmp_path):
    target = tmp_path / "x"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(FileExistsError, match="exists already. Received: path="), atomic_folder(target):
        pass
    with pytest.raises(RuntimeError), atomic_folder(target, overwrite=True) as staging:
        (staging / "new").write_text("half")
        raise RuntimeError
    assert tree(tmp_path) == ["x", "x/old"]
    with atomic_folder(target, overwrite=True) as staging:
        (staging / "new").write_text("new")
    assert tree(tmp_path) == ["x", "x/new"]


def test_a_folder_that_came_into_being_meanwhile_is_kept(tmp_path):
    target = tmp_path / "x"
    with pytest.raises(FileExistsError, match="meanwhile"), atomic_folder(target) as staging:
        (staging / "mine").write_text("mine")
        target.mkdir()
    assert tree(tmp_path) == ["x"]


def test_if_the_last_rename_fails_the_old_folder_is_back(tmp_path, monkeypatch):
    target = tmp_path / "x"
    target.mkdir()
    (target / "old").write_text("old")
    rename = os.rename

    def failing(source, destination):
        if os.fspath(destination) == os.fspath(target) and "-old-" not in os.fspath(source):
            raise OSError("disk full")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="disk full"), atomic_folder(target, overwrite=True) as staging:
        (staging / "new").write_text("new")
    assert tree(tmp_path) == ["x", "x/old"]


def test_a_killed_process_leaves_nothing_at_the_target(tmp_path):
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2])\n"
        "from atomic import atomic_folder\n"
        "with atomic_folder(sys.argv[1]) as staging:\n"
        "    (staging / 'f').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # The module alone, which imports nothing of the library: a child process then takes milliseconds.
    source = os.path.dirname(sys.modules[atomic_folder.__module__].__file__)
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x"), source])
    assert result.returncode == -signal.SIGKILL
    assert not (tmp_path / "x").exists()


def test_many_may_overwrite_a_folder_at_once(tmp_path):
    target = tmp_path / "x"
    problems = []

    def overwrite(number):
        try:
            for turn in range(20):
                with atomic_folder(target, overwrite=True) as staging:
                    for name in ("a", "b"):
                        (staging / name).write_text(f"{number} {turn}")
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=overwrite, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [] and tree(tmp_path) == ["x", "x/a", "x/b"]
    assert (target / "a").read_text() == (target / "b").read_text()


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "f").write_text("kept")
    (tmp_path / "x").symlink_to("other")
    with atomic_folder(tmp_path / "x", overwrite=True) as staging:
        (staging / "new").write_text("new")
    assert tree(tmp_path) == ["other", "other/f", "x", "x/new"] and not (tmp_path / "x").is_symlink()


def test_room_that_is_not_there_is_missed_before_anything_is_written(tmp_path):
    target = tmp_path / "weights.h5"
    with atomic_file(target, room=10) as staging:
        staging.write_bytes(bytes(10))
    with pytest.raises(OSError, match="No space left on device: .* bytes are needed") as raised:
        with atomic_file(target, room=2**60):
            raise AssertionError("never reached")
    assert raised.value.errno == errno.ENOSPC and raised.value.filename == str(target)
    assert tree(tmp_path) == ["weights.h5"] and target.stat().st_size == 10

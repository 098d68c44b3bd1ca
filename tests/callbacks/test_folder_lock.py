import subprocess
import sys

import pytest

from keras_ssl.callbacks.folder_lock import FolderLock

HOLD = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(1, flush=True); "
HOLD += "sys.stdin.read()"
TRY = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def test_is_held_until_released(tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(ValueError, match="Another run.*Received: folder="):
        FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()
    lock.release()


def test_a_process_that_is_killed_frees_it(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        with pytest.raises(ValueError, match="Another run"):
            FolderLock(tmp_path)
    finally:
        other.kill()
        other.communicate()
    FolderLock(tmp_path).release()


def test_a_program_that_holds_it_lets_one_run_enter(tmp_path):
    program = FolderLock(tmp_path, shared=True)
    run = FolderLock(tmp_path)
    with pytest.raises(ValueError, match="Another run"):
        FolderLock(tmp_path)
    run.release()
    other = subprocess.run([sys.executable, "-c", TRY, str(tmp_path)], capture_output=True, text=True)
    assert "BlockingIOError" in other.stderr  # the run's end leaves it to the program
    FolderLock(tmp_path).release()
    program.release()
    FolderLock(tmp_path).release()
    first = FolderLock(tmp_path)
    with pytest.raises(ValueError, match="Another run"):
        FolderLock(tmp_path)
    first.release()

"""Processes forked off one that has done nothing but import: to import TensorFlow takes longer than most of them do."""

import multiprocessing
import os
import runpy
import sys
import tempfile
import traceback
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scripts"
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["keras_ssl.hub", "keras_ssl.report", "tests.callbacks.tiny_run", "absl.app"])


def _run(script, flags, folder, environment, told):
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [str(script), *flags]
    sys.path.insert(0, str(script.parent))
    code = None
    with tempfile.TemporaryFile("w+") as said, open(os.devnull, "w") as nowhere:
        os.dup2(said.fileno(), sys.stdout.fileno())
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            code = end.code or None
        except BaseException:
            code = traceback.format_exc()
        sys.stdout.flush()
        said.seek(0)
        told.send((code, said.read()))


def run_script(name, *flags, cwd):
    """Runs a script of the library in a folder: the error in which it ends (None for none), and what it says."""
    here, there = FORKED.Pipe(duplex=False)
    arguments = (SCRIPTS / name, [str(flag) for flag in flags], cwd, dict(os.environ), there)
    process = FORKED.Process(target=_run, args=arguments)
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        process.join()


def run_repeatedly(name, *cases, cwd):
    """`run_script` for each list of flags."""
    return [run_script(name, *flags, cwd=cwd) for flags in cases]

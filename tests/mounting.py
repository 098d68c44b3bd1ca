"""File systems that one process alone sees."""

import shlex
import subprocess

import pytest


def before_command(folder, options):
    """What to put before a command's words so that it, and nothing else, sees `folder` mounted: `options` are those of
    `mount`. The test is skipped where that is not allowed."""
    mount = f"mount {options} {shlex.quote(str(folder))}"
    if subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("needs leave to mount a file system")
    return ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]

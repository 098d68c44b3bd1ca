"""The record of a full run says what was run, on which commit, and whether it passed."""

import json
import subprocess
import sys

import pytest

from tests.selection import full_run

REPORT = (
    '<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/>'
    '<testsuite tests="1" failures="0" errors="0" skipped="0"/></testsuites>'
)


def test_counts(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    assert full_run.counts(tmp_path / "report.xml") == {"passed": 4, "failed": 3, "skipped": 3}


@pytest.mark.parametrize("failing", [None, "jax"])
def test_a_run_is_recorded(tmp_path, monkeypatch, failing):
    started = []

    def run(command, cwd, env):
        started.append(command)
        report = next(word for word in command if word.startswith("--junit-xml=")).partition("=")[2]
        failures = int(env["KERAS_BACKEND"] == failing)
        with open(report, "w") as file:
            file.write(f'<testsuites><testsuite tests="2" failures="{failures}" errors="0" skipped="0"/></testsuites>')
        return subprocess.CompletedProcess(command, failures)

    monkeypatch.setattr(full_run.subprocess, "run", run)
    monkeypatch.setattr(full_run, "git", lambda root, *arguments: "abc\n" if arguments[0] == "rev-parse" else "")
    monkeypatch.setattr(sys, "argv", ["full_run", f"--record={tmp_path / 'r.json'}", "--workers=3", "-x"])
    assert full_run.main() == (0 if failing is None else 1)
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["commit"] == "abc" and record["ok"] is (failing is None) and len(record["parts"]) == 5
    assert {(part["backend"], part["failed"]) for part in record["parts"]} == {
        ("tensorflow", 0),
        ("jax", int(failing == "jax")),
    }
    assert all("-x" in command and "--gate=all" in command for command in started)
    assert ["-n=3" in command for command in started] == [True, True, True, True, False]

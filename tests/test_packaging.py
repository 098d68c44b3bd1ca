"""The sdist and the wheel made from it: they hold what the library reads, and a description that an index renders."""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEFT_OUT = ("tests", "benchmarks", "runs", "build", "dist", ".*", "*.egg-info", "__pycache__")
URL = "https://example.org/keras_ssl"

pytest.importorskip("setuptools")


def build(kind, source, out, homepage=""):
    """Calls the build backend as `pip` and `build` do, and returns the file."""
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(out)!r}))"
    environment = {**os.environ, "KERAS_SSL_HOMEPAGE": homepage}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, env=environment, check=True, capture_output=True, text=True
    )
    return out / done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("homepage", ["", URL])
def test_a_wheel_from_the_sdist_is_whole(tmp_path, homepage):
    shutil.copytree(ROOT, tmp_path / "source", ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    sdist = build("sdist", tmp_path / "source", tmp_path, homepage)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    wheel = build("wheel", unpacked, tmp_path, homepage)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (place,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(place))
        entry_points = archive.read(place.replace("METADATA", "entry_points.txt")).decode()
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "keras_ssl").rglob("*") if path.is_file()}
    wanted = {name for name in wanted if "__pycache__" not in name}
    for folder in ("zoo", "saved_models/barlow_digits"):
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        wanted |= {f"keras_ssl/{path.relative_to(ROOT).as_posix()}" for path in files}
    assert not wanted - names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "scripts/"))]
    assert "keras-ssl = keras_ssl.cli.run:main" in entry_points
    description = metadata.get_payload()
    assert metadata["Description-Content-Type"].startswith("text/markdown") and "## Start" in description
    targets = re.findall(r"\]\(([^)]+)\)", description)
    assert all(target.startswith(URL) for target in targets) and bool(targets) == bool(homepage)
    urls = metadata.get_all("Project-URL") or []
    assert len(urls) == (4 if homepage else 0) and all(URL in url for url in urls)


@pytest.mark.once
def test_issue_forms_ask_for_what_a_report_needs():
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert [form.stem for form in forms] == ["bug_report", "config", "new_method"]
    for form in forms:
        text = form.read_text(encoding="utf-8")
        assert "\t" not in text
        if form.stem != "config":
            assert {"name", "description", "body"} <= set(re.findall(r"^(\w+):", text, re.MULTILINE))
            ids = re.findall(r"^    id: (\w+)$", text, re.MULTILINE)
            assert len(ids) == len(set(ids)) >= 2
    assert "keras-ssl doctor" in (forms[0]).read_text(encoding="utf-8")

import functools
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
import pytest

from keras_ssl import hub
from keras_ssl.hub import Card
from tests.checkpoints.published import RESNETS, resnet
from tests.hub.downloads import damage, without_backend
from tests.hub.entries import run
from tests.hub.published_entries import publish as put_far_away

pytestmark = without_backend


@contextmanager
def web_server(folder):
    """Python's own web server on a folder; yields its address and what it was asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format, *arguments):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def assert_whole(folder):
    """Whatever has its name in the tree is whole, and the index names nothing else. Returns what is there."""
    found = [name for name in tree(folder) if not re.match(r"\.[0-9a-f]{32}-", Path(name).name)]
    for path in folder.glob("*/card.toml"):
        for file in Card.read(path).files:
            assert hashlib.sha256((path.parent / file.name).read_bytes()).hexdigest() == file.sha256
    if "index.json" in found:
        index = json.loads((folder / "index.json").read_text())
        for entry in index["entries"].values():
            assert entry["card"] in found
            for file in entry["files"]:
                content = (folder / file["path"]).read_bytes()
                assert (len(content), hashlib.sha256(content).hexdigest()) == (file["size"], file["sha256"])
    return found


def test_a_tree_holds_the_entry_its_card_and_an_index(shared_entry, images, tmp_path):
    assert hub.publish(tmp_path / "www" / "zoo", [shared_entry]) == ["tiny"]
    folder = tmp_path / "www" / "zoo"
    assert tree(folder) == ["index.html", "index.json", *(f"tiny/{name}" for name in tree(shared_entry))]
    assert assert_whole(folder) == tree(folder)
    assert Card.read(folder / "tiny" / "card.toml") == Card.read(shared_entry / "card.toml")
    np.testing.assert_array_equal(run(hub.load(folder / "tiny"), images), run(hub.load(shared_entry), images))
    index = json.loads((folder / "index.json").read_text())
    assert index["format"] == 1 and list(index["entries"]) == ["tiny"]
    assert index["entries"]["tiny"]["license"] == ""
    assert index["entries"]["tiny"]["architecture"] == "ConvNet(widths=[4, 8], pooling='avg')"


def test_published_it_is_a_mirror_when_its_origin_is_gone(house, server, monkeypatch):
    put_far_away(house, server, "ä 字", {"net.pth": RESNETS["moco v3"](resnet()[0])})
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 40, 3)).astype("uint8")
    hub.publish(house / "tree", ["ä 字"], progress=False)
    assert tree(house / "tree") == ["index.html", "index.json", "ä 字/card.toml", "ä 字/net.pth"]
    expected = run(hub.load("ä 字"), pixels)
    assert server.paths == ["/far/net.pth"]
    server.files.clear()
    (file,) = Card.read(house / "tree" / "ä 字" / "card.toml").files
    assert file.sha256 == hashlib.sha256((house / "tree" / "ä 字" / "net.pth").read_bytes()).hexdigest()
    np.testing.assert_array_equal(run(hub.load(house / "tree" / "ä 字"), pixels), expected)

    def fresh_cache(name, mirror):
        monkeypatch.setenv("KERAS_SSL_CACHE", str(house / name))
        monkeypatch.setenv("KERAS_SSL_ZOO", str(mirror))
        loaded = run(hub.load("ä 字", progress=False), pixels)
        assert (house / name / "ä 字" / "net.pth").is_file()
        return loaded

    before = len(server.paths)
    with web_server(house / "tree") as (address, asked):
        np.testing.assert_array_equal(fresh_cache("second", f"{address}/"), expected)
        assert asked == ["/%C3%A4%20%E5%AD%97/net.pth"]
    np.testing.assert_array_equal(fresh_cache("third", house / "tree"), expected)
    assert len(server.paths) == before
    monkeypatch.setenv("KERAS_SSL_CACHE", str(house / "fourth"))
    monkeypatch.delenv("KERAS_SSL_ZOO")
    with pytest.raises(hub.DownloadError, match="404"):
        hub.load("ä 字", progress=False)


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name == "href"]

    def handle_data(self, data):
        self.text += data


def test_the_page_shows_every_entry_and_its_links_lead_somewhere(shared_entry, house, server, tmp_path):
    import requests

    put_far_away(
        house, server, "x y", {"a&b.pth": resnet()[0]}, description="<script>alert({0})</script>", license="MIT"
    )
    hub.publish(tmp_path / "tree", [shared_entry, "x y"], progress=False)
    page = Links()
    with web_server(tmp_path / "tree") as (address, _):
        page.feed(requests.get(f"{address}/", timeout=10).text)
        for link in page.links:
            answer = requests.get(urljoin(f"{address}/", link), timeout=10)
            assert answer.status_code == 200 and answer.content
    assert len(page.links) == 1 + (1 + len(Card.read(shared_entry / "card.toml").files)) + 2
    assert "script" not in page.tags and "<script>alert({0})</script>" in page.text
    assert "x y" in page.text and "a&b.pth" in page.text and "MIT" in page.text


def test_what_is_there_and_the_same_is_left_and_the_index_keeps_it(entry, house, server):
    put_far_away(house, server, "far", {"net.pth": resnet()[0]})
    hub.publish(house / "tree", ["far"], progress=False)
    (house / "tree" / "far" / ".0123456789abcdef0123456789abcdef-net.pth").write_bytes(b"half")
    old = house / "tree" / "far" / ".fedcba9876543210fedcba9876543210-net.pth"
    old.write_bytes(b"half")
    os.utime(old, (0, 0))
    before = (house / "tree" / "far" / "net.pth").stat().st_mtime_ns
    hub.publish(house / "tree", [entry], progress=False)
    hub.publish(house / "tree", ["far"], progress=False)
    assert list(json.loads((house / "tree" / "index.json").read_text())["entries"]) == ["far", "tiny"]
    assert (house / "tree" / "far" / "net.pth").stat().st_mtime_ns == before
    damage(house / "tree" / "far" / "net.pth", "flip")
    hub.publish(house / "tree", ["far"], progress=False)
    assert_whole(house / "tree")
    assert not old.exists()


def test_without_names_what_is_here(house, server):
    put_far_away(house, server, "far", {"net.pth": resnet()[0]})
    assert hub.publish(house / "tree") == [] and server.paths == []
    hub.load("far", progress=False)
    assert hub.publish(house / "tree") == ["far"] and len(server.paths) == 1


def test_a_file_that_few_want_stays_where_it_is(house, server):
    checkpoint = {"path": "net.pth", "heads": "whole.pth"}
    trees = {"net.pth": resnet()[0], "whole.pth": {"model": resnet()[0]}}
    put_far_away(house, server, "far", trees, checkpoint=checkpoint)
    hub.publish(house / "tree", ["far"], progress=False)
    assert server.paths == ["/far/net.pth"] and not (house / "tree" / "far" / "whole.pth").exists()
    card = Card.read(house / "tree" / "far" / "card.toml")
    assert card.files[1] == Card.read(house / "zoo" / "far.toml").files[1]


def test_a_license_is_accepted_first(house, server):
    put_far_away(house, server, "far", {"net.pth": resnet()[0]}, license="CC-BY-NC-4.0")
    with pytest.raises(ValueError, match="Received: accept_license=None"):
        hub.publish(house / "tree", ["far"], progress=False)
    assert server.paths == [] and not (house / "tree").exists()
    assert hub.publish(house / "tree", ["far"], accept_license="CC-BY-NC-4.0", progress=False) == ["far"]


@pytest.mark.parametrize("how", ["flip", "cut"])
def test_a_damaged_file_is_not_published(entry, tmp_path, how):
    damage(entry / "encoder.safetensors", how)
    with pytest.raises(ValueError, match="its sha256 must be .*Received: path=.*encoder.safetensors"):
        hub.publish(tmp_path / "tree", [entry])
    assert tree(tmp_path / "tree") == []


PUBLISH = """
import os, signal, sys, time
from keras_ssl import hub
publish = sys.modules["keras_ssl.hub.publish"]
copy = publish.shutil.copyfileobj

def slowly(source, target, size):
    for _ in range(20):
        target.write(source.read(os.fstat(source.fileno()).st_size // 20 + 1))
        target.flush()
        time.sleep(0.0005)

publish.shutil.copyfileobj = slowly
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        hub.publish(sys.argv[1], [sys.argv[2]])
        os._exit(0)
    time.sleep(float(line))
    os.kill(pid, signal.SIGKILL)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_point_it_leaves_whole_files(shared_entry, tmp_path):
    folder = tmp_path / "tree"
    start = time.monotonic()
    hub.publish(tmp_path / "other", [shared_entry])
    longest = 2 * (time.monotonic() - start) + 0.1
    command = [sys.executable, "-c", PUBLISH, str(folder), str(shared_entry)]
    environment = {**os.environ, "PYTHONPATH": str(Path(hub.__file__).parents[2])}
    options = {"text": True, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment}
    rng = np.random.default_rng(0)
    stages = set()
    with subprocess.Popen(command, **options) as process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(40):
            subprocess.run(["rm", "-rf", str(folder)], check=True)
            process.stdin.write(f"{rng.uniform(0, longest)}\n")
            process.stdin.flush()
            assert int(process.stdout.readline()) in (0, signal.SIGKILL)
            stages.add(len(assert_whole(folder)))
    assert len(stages) > 3 and max(stages) == len(tree(tmp_path / "other"))

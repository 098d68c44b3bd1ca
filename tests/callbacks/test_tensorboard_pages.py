"""TensorBoard's pages of a run, in a real browser."""

import base64
import io
import re
import subprocess
import sys
from urllib.parse import quote

import keras
import numpy as np
import pytest
from PIL import Image

from keras_ssl.callbacks import TensorBoard
from tests.browser import console_errors, requested
from tests.callbacks.test_tensorboard import HPARAMS, IMAGES, LABELS, decoded, drive, make_model, read

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the files are the same on every backend"),
]

SECONDS = 60  # that a page may take, on a machine that does other things too

# Some plugins build their pages in shadow trees, which selectors and `innerText` do not enter.
DEEP_TEXT = """
function text(node) {
    if (node.nodeType === Node.TEXT_NODE) return node.textContent;
    if (["SCRIPT", "STYLE", "TEMPLATE"].includes(node.nodeName)) return "";
    return [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes].map(text).join(" ");
}
return text(document.body).replace(/\\s+/g, " ");
"""
# What an <img> shows, as a PNG.
SHOWN = """
const canvas = document.createElement("canvas"), image = arguments[0];
[canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
canvas.getContext("2d").drawImage(image, 0, 0);
return canvas.toDataURL("image/png").split(",")[1];
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of a finished run, `first`."""
    folder = tmp_path_factory.mktemp("runs")
    drive(TensorBoard(folder / "first", IMAGES, LABELS, HPARAMS), make_model(), epochs=2)
    return folder


@pytest.fixture(scope="module")
def address(chromium, runs):
    """Where TensorBoard serves the runs."""
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={runs}", "--host=127.0.0.1", "--port=0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        said = []
        for line in server.stderr:
            said.append(line)
            match = re.search(r"http://127\.0\.0\.1:\d+/", line)
            if match:
                break
        else:
            pytest.fail("".join(said))
        yield match[0]
    finally:
        server.terminate()
        server.wait()
        server.stderr.close()


def wait(browser, condition):
    """What the condition gives, once that is something."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, SECONDS, poll_frequency=0.25).until(condition)


def cards(browser, address, kind, tags, part):
    """Opens the page of all cards at some tags; gives those `part`s of the cards that are on it."""
    browser.get(f"{address}?tagFilter={quote(tags, safe='')}#timeseries")
    return wait(browser, lambda page: page.find_elements("css selector", f"{kind}-card {part}"))


def test_curves(browser, address):
    (chart,) = cards(browser, address, "scalar", "^epoch/loss$", "line-chart")
    assert chart.is_displayed() and chart.size["height"] > 100
    assert len(browser.find_elements("css selector", "scalar-card [title='epoch/loss']")) == 1
    assert console_errors(browser) == []


def test_the_views_are_shown_as_they_were_written(browser, address, runs):
    (image,) = cards(browser, address, "image", "^views$", "img")
    wait(browser, lambda page: image.get_property("naturalWidth") > 0)
    png = base64.b64decode(browser.execute_script(SHOWN, image))
    grids = [decoded(value).tolist() for _, value in read(runs / "first")["views"]]
    assert np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).tolist() in grids
    assert console_errors(browser) == []


def test_histograms(browser, address):
    pages = {"similarity": 2, "spectrum": 1}
    for tags, count in pages.items():
        cards(browser, address, "histogram", f"^{tags}/", "svg path")
        assert len(browser.find_elements("css selector", "histogram-card")) == count
    assert console_errors(browser) == []


def test_settings_of_the_recipe(browser, address):
    browser.get(f"{address}#hparams")
    wait(browser, lambda page: "optimizer.learning_rate" in page.execute_script(DEEP_TEXT))
    assert "AdamW" in browser.execute_script(DEEP_TEXT)
    assert console_errors(browser) == []


def test_projector(browser, address):
    browser.get(f"{address}#projector")
    for _ in range(2):  # the plugin's frame, and in it the projector's
        browser.switch_to.frame(wait(browser, lambda page: page.find_elements("css selector", "iframe"))[0])
    for text in ("Points: 24 Dimension: 6", "label 3 colors", "Total variance described"):
        wait(browser, lambda page, text=text: text in page.execute_script(DEEP_TEXT))
    assert any("sprite_image" in url for url in requested(browser))
    assert console_errors(browser) == []

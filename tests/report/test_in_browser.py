"""The page in a real browser: no errors, no requests, and the pointer finds the samples."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from keras_ssl.report import html_report
from tests.browser import console_errors, requested
from tests.report.pages import HOSTILE, card, clusters

pytestmark = pytest.mark.browser
NAMES = ["ant", HOSTILE, "cat"]
TRAIN, TEST = clusters(60, seed=1, names=NAMES), clusters(30, seed=2, names=NAMES)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    history = {"loss": [2.0, 1.0], "knn_accuracy": [0.5, 0.75]}
    text = html_report({"model": "tiny", "knn": 0.96}, TRAIN, TEST, card=card(), history=history, k=5)
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser, address):
    browser.get(address)
    return browser


def move_to(browser, plane, left, top):
    """The pointer to a place of an element, given in fractions of it."""
    from selenium.webdriver import ActionChains

    # The page hears of its scrolling a frame later, and hides the tip: the pointer moves after that.
    browser.execute_async_script(
        "arguments[0].scrollIntoView({block: 'center'});"
        "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(arguments[1])))",
        plane,
    )
    size = plane.rect
    offset = round((left - 0.5) * size["width"]), round((top - 0.5) * size["height"])
    ActionChains(browser).move_to_element_with_offset(plane, *offset).perform()


def until(browser, condition):
    """Waits for what the page does in its own time."""
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, 10, poll_frequency=0.05).until(lambda _: condition())


@pytest.mark.slow
def test_no_error_and_no_request(page, address):
    assert page.title == "tiny"
    assert [url for url in requested(page) if not url.startswith("data:")] == [address]
    assert console_errors(page) == []
    widths = page.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) > 50 and set(widths) == {4}


@pytest.mark.slow
def test_every_section_is_seen_and_nothing_sticks_out(page):
    for name in ("results", "curves", "spectrum", "classes", "map", "neighbors", "card"):
        section = page.find_element("id", name)
        assert section.is_displayed() and section.rect["height"] > 50
    for picture in page.find_elements("css selector", "svg, .strip"):
        assert picture.is_displayed() and picture.rect["height"] > 30
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("plane_number", [0, 1])
def test_the_pointer_shows_the_sample(page, plane_number):
    data = json.loads(page.find_element("id", "map-data").get_attribute("textContent"))
    plane = page.find_elements("css selector", ".plane")[plane_number]
    tip = page.find_element("id", "tip")
    assert not tip.is_displayed()
    places = np.array(data["maps"][plane_number])
    # The sample that is furthest from all others: of two that overlap either would be right.
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(len(places))
    number = int(distances.min(axis=1).argmax())
    move_to(page, plane, *places[number])
    until(page, tip.is_displayed)
    assert tip.text.split("\n")[:2] == [TEST.labels[number], f"no. {number}"]
    rings = page.find_elements("css selector", ".ring")
    assert len(rings) == 2 and all(ring.is_displayed() for ring in rings)

    thumb = tip.find_element("css selector", ".thumb")
    assert thumb.rect["height"] == 96 and thumb.rect["width"] == 64
    shown = np.asarray(Image.open(io.BytesIO(thumb.screenshot_as_png)).convert("L"))
    np.testing.assert_allclose(np.median(shown), TEST.images[number, 0, 0, 0], atol=3)

    move_to(page, plane, 0.003, 0.003)
    until(page, lambda: not tip.is_displayed())
    assert not any(ring.is_displayed() for ring in rings)
    assert console_errors(page) == []


def test_the_browser_itself_refuses_requests_and_foreign_scripts(page):
    page.execute_script(
        "new Image().src = 'http://127.0.0.1:9/picture.png';"
        "const script = document.createElement('script'); script.textContent = \"document.title = 'hacked'\";"
        "document.body.append(script)"
    )
    errors = []

    def both_refused():
        errors.extend(console_errors(page))
        return all(any(kind in error for error in errors) for kind in ("img-src", "script-src"))

    until(page, both_refused)
    assert page.title == "tiny"


def test_dark_on_a_dark_screen_and_light_in_print(page):
    def color(media, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        text, ground = page.execute_script(
            "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
        )
        return [sum(map(int, value.strip("rgb()").split(","))) / 3 for value in (text, ground)]

    try:
        text, ground = color("screen", "light")
        assert text < 60 and ground == 255
        text, ground = color("screen", "dark")
        assert text > 200 and ground < 40
        text, ground = color("print", "dark")
        assert text < 60 and ground == 255
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})

"""The browser of the tests sees what goes wrong on a page."""

import pytest

from tests.browser import console_errors, requested

pytestmark = pytest.mark.browser


def page(tmp_path, body):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><link rel=icon href='data:,'><body>{body}")
    return path.as_uri()


def test_a_sound_page_has_no_error_and_asks_for_itself_alone(browser, tmp_path):
    address = page(tmp_path, "<p id=p></p><script>document.getElementById('p').textContent = 6 * 7</script>")
    browser.get(address)
    assert browser.find_element("id", "p").text == "42"
    assert console_errors(browser) == []
    assert [url for url in requested(browser) if not url.startswith("data:")] == [address]


def test_an_exception_and_a_missing_file_are_seen_once(browser, tmp_path):
    browser.get(page(tmp_path, "<img src=missing.png><script>throw new Error('planted')</script>"))
    errors = console_errors(browser)
    assert any("planted" in error for error in errors)
    assert any("missing.png" in error for error in errors)
    assert any(url.endswith("missing.png") for url in requested(browser))
    assert console_errors(browser) == []

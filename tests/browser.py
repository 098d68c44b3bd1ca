"""A headless Chromium for the tests that look at a page, and what such a page did: errors, requests."""

import json
import shutil

import pytest

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root it does not start otherwise; it sees no page but ours
    "--disable-dev-shm-usage",  # /dev/shm is small in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1366,768",
)
BINARIES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "apt-get install chromium chromium-driver"


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """One browser for all tests of a process: a start takes seconds."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium: pip install selenium")
    found = [path for path in map(shutil.which, BINARIES) if path]
    driver = shutil.which("chromedriver")
    if not found or driver is None:
        pytest.skip(f"no {'chromedriver' if found else 'Chromium'}: {INSTALL}")
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # The path of the driver is given, so selenium looks for none and downloads none.
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_page_load_timeout(60)
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium):
    """The browser on an empty page, its logs empty. Its test is marked `browser`."""
    chromium.get("about:blank")
    for log in ("browser", "performance"):
        chromium.get_log(log)
    yield chromium
    chromium.get("about:blank")  # or a page with an animation keeps a core busy until all tests are over


def console_errors(browser):
    """What the console got since it was last asked that is an error: exceptions, files not found, refusals."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def requested(browser):
    """The addresses the page asked for since this was last asked, its own among them."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [message["params"]["request"]["url"] for message in messages if message["method"].endswith("WillBeSent")]

import pytest

from keras_ssl.hub.address import is_allowed, is_loopback, shown


@pytest.mark.parametrize(
    "url",
    ["https://example.org/a", "https://127.0.0.1/a", "http://localhost:8/a", "http://127.9.9.9/a", "http://[::1]/a"],
)
def test_secure_and_own_addresses_are_allowed(url):
    assert is_allowed(url)
    assert is_allowed(url, plain=False) == url.startswith("https")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a",
        "http://localhost.example.org/a",
        "http://127.0.0.1.example.org/a",
        "http://127.0.0.1@example.org/a",
        "http://2130706433/a",
        "https://me:secret@example.org/a",
        "https://:secret@example.org/a",
        "https://example.org:port/a",
        "https:///a",
        "https://[::1/a",
        "ftp://localhost/a",
        "file:///a",
        "//example.org/a",
        "/a",
        "",
    ],
)
def test_others_are_not(url):
    assert not is_allowed(url)


def test_an_unspecified_address_is_not_this_machine():
    assert not is_loopback("http://0.0.0.0/a") and is_loopback("http://[::1]:80/a")


def test_messages_show_no_secrets():
    assert shown("https://me:secret@example.org:8/a/b?key=secret#secret") == "https://example.org:8/a/b"
    assert len(shown("https://example.org/" + "a" * 1000)) == 300
    assert shown("https://[::1/a") == "'https://[::1/a'"

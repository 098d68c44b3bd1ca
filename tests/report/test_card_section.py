import tomllib

from keras_ssl.report.card_section import call_text, card_facts, card_section
from tests.report.pages import HOSTILE, card, parsed


def facts_of(markup):
    return {pair.one("dt").text: pair.one("dd").text for pair in parsed(markup).all("div")}


def test_facts():
    facts = facts_of(card_facts(card()))
    assert facts["architecture"] == "ConvNet(widths=[4, 8], pooling='avg')"
    assert facts["objective"] == "SimCLR(temperature=0.2)"
    assert facts["license"] == "MIT" and facts["trained on"] == "the digits" and facts["seed"] == "7"
    assert facts["weights"] == f"encoder.safetensors, 1,234 bytes, sha256 {'a' * 64}"
    assert "origin" not in facts
    origin = {"url": "https://example.org/x.pt", "sha256": "c" * 64}
    assert facts_of(card_facts(card(origin=origin)))["origin"] == f"url https://example.org/x.pt, sha256 {'c' * 64}"


def test_what_the_card_does_not_say_has_no_line():
    assert set(facts_of(card_facts(card(objective={}, data="", license="", seed=None)))) == {"architecture", "weights"}
    assert facts_of(card_facts(card(seed=0)))["seed"] == "0"
    assert call_text({}) == "" and call_text({"name": "A"}) == "A()"


def test_files_and_recipe():
    page = parsed(card_section(card()))
    rows = [[cell.text for cell in row.all("td")] for row in page.one("tbody").all("tr")]
    assert rows == [["encoder.safetensors", "1,234", "a" * 64], ["card/notes.md", "5", "b" * 64]]
    assert tomllib.loads(page.one("pre").text) == card().recipe
    assert "keras 3.15.1" in page.text
    assert "no recipe" in parsed(card_section(card(recipe={}))).text


def test_a_hostile_card_is_text():
    hostile = card(
        data=HOSTILE,
        license=HOSTILE,
        recipe={HOSTILE: HOSTILE},
        architecture={"name": HOSTILE, "arguments": {HOSTILE: HOSTILE}},
    )
    for page in map(parsed, (card_facts(hostile), card_section(hostile))):
        assert "hacked" in page.text
        assert not list(page.all("script")) and not list(page.all("img"))

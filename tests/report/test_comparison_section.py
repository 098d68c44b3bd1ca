"""An encoder beside others and beside new weights."""

from keras_ssl.evaluation.compare_encoders import EncoderComparison
from keras_ssl.report.comparison_section import comparison_section
from tests.report.pages import parsed


def test_every_row_is_in_the_table():
    rows = [EncoderComparison("untrained", (0.2, 0.4), (), 9, 5), EncoderComparison("<mine>", (0.5,), (0.75,), 9, 5)]
    page = parsed(comparison_section(rows))
    texts = [[cell.text for cell in (*row.all("th"), *row.all("td"))] for row in page.all("tr")]
    assert texts[0][:3] == ["encoder", "head on frozen features", "fine-tuned"]
    assert texts[1] == ["untrained", "30.0 ± 14.1", "", "9", "5", "2"]
    assert texts[2] == ["<mine>", "50.0", "75.0", "9", "5", "1"]


def test_nothing_is_shown_of_nothing():
    assert comparison_section(None) is None and comparison_section([]) is None

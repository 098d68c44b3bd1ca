"""An encoder beside others and beside new weights."""

from collections.abc import Sequence

from keras_ssl.evaluation.compare_encoders import EncoderComparison, comparison_table
from keras_ssl.report.markup import Markup, element, section, sentence


def comparison_section(rows: Sequence[EncoderComparison] | None) -> Markup | None:
    """A table of the comparison, or None where there is none."""
    if not rows:
        return None
    table = comparison_table(rows)
    head = element("tr", *(element("th", name, scope="col") for name in table[0]))
    body = [
        element(
            "tr",
            *(
                element("th", text, scope="row") if name == "encoder" else element("td", text, class_="number")
                for name, text in row.items()
            ),
        )
        for row in table
    ]
    return section(
        "comparison",
        "Beside other weights",
        sentence(
            "Accuracy in %, mean and standard deviation over seeds. Each row had the same labels and updates; "
            "untrained and scratch are the same network with new weights."
        ),
        element("table", head, *body, class_="figures"),
    )

"""Lists the methods, with their families and what they need.

keras-ssl methods
keras-ssl methods --family=labels
"""

from absl import flags

from keras_ssl.cli.common import no_arguments, user_errors
from keras_ssl.hub.suggestion import suggestion
from keras_ssl.messages import guarded_output, say
from keras_ssl.registry import entries

_FAMILY = flags.DEFINE_string("family", None, "Only those of a family, such as contrastive.")
_MODALITY = flags.DEFINE_string("modality", None, "Only those for a kind of input, such as image or table.")


@guarded_output()
def main(argv: list[str]) -> None:
    no_arguments(argv)
    with user_errors():
        for flag, kind in ((_FAMILY, "family"), (_MODALITY, "modality")):
            known = {getattr(entry, kind) for entry in entries("objective")}
            if flag.value is not None and flag.value not in known:
                raise ValueError(f"No method has it. {suggestion(flag.value, known)} Received: --{kind}={flag.value}")
    rows = [("name", "family", "inputs", "needs", "what it is")]
    for entry in entries("objective"):
        if _FAMILY.value not in (None, entry.family) or _MODALITY.value not in (None, entry.modality):
            continue
        what = (entry.target.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
        rows.append((entry.name, entry.family, entry.modality, ", ".join(entry.fields), " ".join(what.split())))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())

"""Views do not differ, of one image or of all."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_OWN, _ALL = 0.02, 0.01


def views_alike(evidence: Evidence) -> Finding | None:
    """Views of one image differ by less than 2 % of what images differ by, or all images' views by less than 1 %.

    The latter is of the range of their values, and also stands for images that are all alike.
    """
    if evidence.images_differ is not None and evidence.images_differ < _ALL:
        return Finding(
            "views all alike",
            {"images differ by": evidence.images_differ},
            "Views of all images look the same: look at a few of them, and at the range that pixels have (0 to 255, or "
            "0 to 1).",
        )
    if evidence.views_differ is not None and evidence.views_differ < _OWN:
        return Finding(
            "views all alike",
            {"views differ by": evidence.views_differ},
            "Both views of an image are the same picture, so agreeing is no task: see that the augmentations are "
            "random and strong enough.",
        )
    return None

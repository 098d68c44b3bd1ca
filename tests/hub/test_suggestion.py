from keras_ssl.hub.suggestion import suggestion


def test_close_names_are_offered_else_all():
    assert suggestion("simcler", ["simclr", "byol"]) == "Closest: simclr."
    assert suggestion("zzz", ["simclr", "byol"]) == "Known: byol, simclr."
    assert suggestion("zzz", []) == "None is known."

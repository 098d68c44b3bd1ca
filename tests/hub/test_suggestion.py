from keras_ssl.hub.suggestion import suggestion


def test_close_names_are_offered_else_all():
    assert suggestion("simcler", ["simclr", "byol"]) == "Closest: simclr."
    assert suggestion("zzz", ["simclr", "byol"]) == "Known: byol, simclr."
    assert suggestion("zzz", []) == "None is known."


def test_case_and_hyphens_do_not_count():
    assert suggestion("simclr", ["SimCLR", "BYOL"]) == "Closest: SimCLR."
    assert suggestion("BARLOW_TWINS", ["BarlowTwins", "BYOL"]) == "Closest: BarlowTwins."
    assert suggestion("fixmatch", ["fix_match", "FixMatch"]) == "Closest: FixMatch, fix_match."


def test_a_long_list_is_cut():
    text = suggestion("zzz", [f"name_{number:03}" for number in range(1000)])
    assert text.startswith("Known: name_000, ") and text.endswith("name_039 and 960 more.") and len(text) < 600

from keras_ssl.training import ExpectedLoss


def test_sums_and_multiples():
    both = ExpectedLoss(2.0, 1.0, None) * 0.5 + ExpectedLoss(1.0, 3.0, 0.0)
    assert both == ExpectedLoss(2.0, 3.5, None)


def test_what_is_known_can_be_read():
    assert str(ExpectedLoss(5.5413, 5.5, 0.0)) == "chance 5.541, collapsed 5.5, floor 0"
    assert str(ExpectedLoss(None, None, 0.25)) == "floor 0.25"
    assert str(ExpectedLoss()) == "not known"

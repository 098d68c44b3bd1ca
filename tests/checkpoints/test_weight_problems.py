from keras_ssl.checkpoints.weight_problems import weight_problems


def test_some_keys_of_each_kind_are_named():
    problems = {"missing": list("abcdefg"), "extra": [], "wrong": ["x" * 1000]}
    assert weight_problems(problems) == f"missing: a, b, c, d, e and 2 more; wrong: {'x' * 147}..."
    assert weight_problems({"missing": []}) == ""

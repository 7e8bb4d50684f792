"""Typed access to a configuration that may be odd."""

import pytest

from pentameter.model.fields import Fields
from pentameter.model.spec import UnknownModelError

FIELDS = Fields(
    {"number": 3, "null": None, "flag": True, "text": "a", "list": [1, 2], "words": ["a"], "inner": {"x": 0}}
)


def test_a_null_counts_as_missing_but_is_stated():
    assert "null" not in FIELDS
    assert FIELDS.states("null")
    assert not FIELDS.states("absent")
    assert FIELDS.integer("null", default=7) == 7
    assert FIELDS.maybe_integer("null") is None


def test_values_of_the_right_type_are_returned():
    assert FIELDS.integer("absent", "number") == 3
    assert FIELDS.maybe_integer("number") == 3
    assert FIELDS.boolean("flag", default=False)
    assert FIELDS.text("text") == "a"
    assert FIELDS.integers("list") == (1, 2)
    assert FIELDS.texts("words") == ("a",)
    assert FIELDS.texts("absent") == ()
    assert FIELDS.names() == ("number", "null", "flag", "text", "list", "words", "inner")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: FIELDS.integer("flag"), "flag is True: not a whole number from 1 to 1000000000"),
        (lambda: FIELDS.integer("number", most=2), "number is 3: not a whole number from 1 to 2"),
        (lambda: FIELDS.integer("absent", "null"), "absent is missing"),
        (lambda: FIELDS.boolean("number", default=True), "number is 3: neither true nor false"),
        (lambda: FIELDS.text("absent"), "absent is None: not a string"),
        (lambda: FIELDS.items("text"), "text is 'a': not a list"),
        (lambda: FIELDS.texts("list"), "not a list of strings"),
        (lambda: FIELDS.integers("words"), "not a list of whole numbers"),
        (lambda: FIELDS.child("number"), "number is not an object"),
        (lambda: FIELDS.child("inner").integer("x"), "inner.x is 0"),
        (lambda: FIELDS.child("inner").integer("y"), "inner.y is missing"),
        (lambda: Fields({"n": -(10**5000)}).integer("n"), "n is a number of more than 40 digits"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(read, message):
    with pytest.raises(UnknownModelError, match=message):
        read()

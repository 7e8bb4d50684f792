"""Whose request was it: one server, several told apart by sender or by model, and what stays open."""

import pytest

from pentameter.attribution import NotYetError, Place, Servers, UnattributedError


def servers(**engines):
    """Return servers, each with the (model, engine) pairs of its last page."""
    return Servers({server: tuple(here) for server, here in engines.items()})


ONE = servers(a=[("m", "0")])
TWINS = servers(a=[("m", "0")], b=[("m", "0")])
TWO_MODELS = servers(a=[("small", "0")], b=[("large", "0"), ("large", "1")])


def test_with_one_server_of_one_engine_a_record_that_says_nothing_is_its():
    assert ONE.place("", "", "") == Place("a", "m", "0")


def test_with_one_server_the_name_of_the_sender_does_not_matter():
    assert ONE.place("some-otel-service", "", "") == Place("a", "m", "0")


def test_what_a_record_says_of_model_and_engine_is_kept():
    assert ONE.place("", "m", "3") == Place("a", "m", "3")
    assert ONE.place("", "lora", "0") == Place("a", "lora", "0")


def test_an_engine_that_nobody_names_is_left_open_where_there_are_several():
    two = servers(a=[("m", "0"), ("m", "1")])
    assert two.place("", "", "") == Place("a", "m", "")
    assert two.place("", "m", "1") == Place("a", "m", "1")


def test_the_engines_of_other_models_do_not_count():
    mixed = servers(a=[("m", "0"), ("other", "0"), ("other", "1")])
    assert mixed.place("", "m", "") == Place("a", "m", "0")
    assert mixed.place("", "other", "") == Place("a", "other", "")


def test_a_server_of_several_models_needs_a_record_that_names_one():
    with pytest.raises(UnattributedError, match="a serves 2 models, and the record does not say which"):
        servers(a=[("m", "0"), ("n", "0")]).place("", "", "")


def test_several_servers_are_told_apart_by_the_senders_name():
    assert TWINS.place("b", "", "") == Place("b", "m", "0")
    assert TWINS.place("a", "m", "") == Place("a", "m", "0")


def test_several_servers_are_told_apart_by_the_model():
    assert TWO_MODELS.place("", "small", "") == Place("a", "small", "0")
    assert TWO_MODELS.place("unknown", "large", "1") == Place("b", "large", "1")
    assert TWO_MODELS.place("unknown", "large", "") == Place("b", "large", "")


def test_the_senders_name_goes_before_the_model():
    assert TWO_MODELS.place("b", "small", "0") == Place("b", "small", "0")


@pytest.mark.parametrize(("sender", "model"), [("", "m"), ("c", "m"), ("", ""), ("c", ""), ("", "unknown"), ("A", "m")])
def test_a_record_that_could_be_of_two_servers_or_of_none_is_of_nobody(sender, model):
    with pytest.raises(UnattributedError):
        TWINS.place(sender, model, "0")


def test_with_several_servers_a_record_without_model_and_sender_is_of_nobody_even_before_the_first_page():
    with pytest.raises(UnattributedError):
        servers(a=[], b=[]).place("", "", "")


# ------------------------------------------------------------------ before the first page


def test_the_model_is_not_known_before_the_first_page():
    with pytest.raises(NotYetError):
        servers(a=[]).place("", "", "")
    with pytest.raises(NotYetError):
        servers(a=[], b=[("m", "0")]).place("a", "", "")


def test_whether_there_are_several_engines_is_not_known_before_the_first_page():
    # Once the page has shown a single engine, the same record is that engine's: it must not go elsewhere before.
    with pytest.raises(NotYetError):
        servers(a=[]).place("", "m", "")


def test_a_record_that_says_everything_need_not_wait_for_the_page():
    assert servers(a=[]).place("", "m", "0") == Place("a", "m", "0")
    assert servers(a=[], b=[]).place("b", "m", "0") == Place("b", "m", "0")


def test_a_model_that_a_server_not_yet_read_may_serve_waits():
    with pytest.raises(NotYetError):
        servers(a=[("small", "0")], b=[]).place("", "large", "")


def test_without_any_server_a_record_is_of_nobody():
    with pytest.raises(UnattributedError):
        servers().place("a", "m", "0")

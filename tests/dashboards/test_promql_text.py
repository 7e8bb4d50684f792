"""What is read from a PromQL expression's text."""

import promql_text
from promql_text import Selector


def selectors(text):
    return list(promql_text.read(text).selectors)


def test_a_bare_metric_is_a_selector_without_matchers():
    assert selectors("up") == [Selector("up", (), "", ())]


def test_matchers_keep_their_operator_and_value():
    assert selectors('a{b=~"x.*",c!="y, }"}') == [Selector("a", (("b", "=~", "x.*"), ("c", "!=", "y, }")), "", ())]


def test_the_calls_around_a_selector_are_told_innermost_first():
    assert selectors("sum by (le) (rate(a_total[5m]))") == [Selector("a_total", (), "5m", ("rate", "sum"))]


def test_a_grouping_behind_the_aggregation_is_read_too():
    found = promql_text.read("sum(a) without (b, c)")

    assert found.grouped == {"b", "c"}
    assert [selector.calls for selector in found.selectors] == [("sum",)]


def test_labels_of_joins_are_no_metrics():
    found = promql_text.read("a / on (b) group_left (c, d) e")

    assert [selector.metric for selector in found.selectors] == ["a", "e"]
    assert found.grouped == {"b", "c", "d"}


def test_words_and_numbers_are_no_metrics():
    assert [s.metric for s in selectors("a > bool 1.5e3 and b offset 1h unless c == Inf or 7 * d")] == list("abcd")


def test_a_selector_may_have_no_name():
    assert selectors('count({a="b"})') == [Selector("", (("a", "=", "b"),), "", ("count",))]


def test_a_subquery_is_around_no_other_selector():
    assert selectors("max_over_time(rate(a[1m])[5m:30s])") == [Selector("a", (), "1m", ("rate", "max_over_time"))]


def test_variables_are_neither_metrics_nor_numbers():
    assert selectors('a{b=~"$c"}[$__range] * $scale') == [Selector("a", (("b", "=~", "$c"),), "$__range", ())]


def test_made_labels_are_those_written_not_those_read():
    found = promql_text.read('label_replace(sum by (x) (a), "new", "$1", "old", "(.*)")')

    assert found.made == {"new"}


def test_a_join_of_labels_makes_one():
    assert promql_text.read('label_join(a{b="c"}, "new", "/", "x", "y")').made == {"new"}


def test_counted_values_make_a_label():
    assert promql_text.read('count_values("version", a)').made == {"version"}


def test_comments_are_skipped():
    assert [s.metric for s in selectors("a # not b\n + c")] == ["a", "c"]


def test_what_stands_behind_and_or_unless_is_only_asked_after():
    found = selectors("(a and on (x) b{c='d'} unless e / f) and sum by (y) (g offset 5m + h) or (i)")

    assert [s.metric for s in found if s.only_asked_after] == ["b", "e", "g", "h"]


def test_the_token_behind_a_selector_is_told():
    assert [selector.then for selector in selectors("a[5m] * (b)")] == ["*", ")"]

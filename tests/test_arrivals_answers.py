"""The third sign of an abort: the web server answered more requests than ended."""

from builders import engine
from pentameter.arrivals import Arrivals
from pentameter.readings import Histogram
from pentameter.windows import Continuity


def page(ended, *, held=0.0, first_tokens=None):
    count = ended if first_tokens is None else first_tokens
    ttft = Histogram((float("inf"),), (float(count),), 0.0)
    one = engine(counters={"request_success/stop": float(ended)}, gauges={"running": float(held), "waiting": 0.0})
    reading = one.reading
    return type(reading)(reading.model_name, reading.engine, reading.counters, reading.gauges, {"ttft": ttft})


def after(*pages):
    """Return the account after pages ten seconds apart, each (ended, held, answers); the first has been seen twice."""
    arrivals = Arrivals()
    ended, held, answers = pages[0]
    arrivals.observe(-10.0, page(ended, held=held), answers=answers)
    for i, (ended, held, answers) in enumerate(pages):
        arrivals.observe(10.0 * i, page(ended, held=held), answers=answers)
    return arrivals


def test_an_answer_without_an_end_was_broken_off():
    arrivals = after((100, 5, 100.0), (110, 5, 113.0))
    assert (arrivals.aborted, arrivals.arrived, arrivals.ended) == (3, 13, 10)


def test_what_was_broken_off_before_the_first_page_is_not_ours():
    assert after((100, 5, 160.0), (110, 5, 170.0)).aborted == 0


def test_an_answer_that_comes_a_little_after_its_end_is_no_abort():
    assert after((100, 5, 100.0), (110, 5, 108.0), (112, 5, 112.0)).aborted == 0


def test_an_end_before_the_first_page_whose_answer_comes_after_it_is_no_abort():
    arrivals = Arrivals()
    arrivals.observe(0.0, page(100, held=5), answers=98.0)
    arrivals.observe(1.0, page(100, held=5), answers=100.0)
    arrivals.observe(30.0, page(104, held=5), answers=104.0)
    assert arrivals.aborted == 0


def test_however_late_the_second_page_comes_it_may_hold_an_answer_to_what_ended_before_the_first():
    arrivals = Arrivals()
    arrivals.observe(0.0, page(100, held=5), answers=98.0)
    arrivals.observe(60.0, page(100, held=5), answers=100.0)
    assert arrivals.aborted == 0
    arrivals.observe(120.0, page(100, held=5), answers=101.0)
    assert arrivals.aborted == 1


def test_an_abort_that_is_answered_before_the_engine_lets_go_of_it_counts_once_and_arrivals_never_fall():
    arrivals = after((100, 9, 100.0), (100, 9, 103.0))
    assert (arrivals.aborted, arrivals.arrived) == (3, 3)
    arrivals.observe(20.0, page(100, held=6), answers=103.0)
    # Nobody has arrived; the three counted too early are set off against the next.
    assert (arrivals.aborted, arrivals.arrived) == (3, 3)
    arrivals.observe(30.0, page(105, held=6), answers=108.0)
    assert (arrivals.aborted, arrivals.arrived) == (3, 5)


def test_requests_for_several_sequences_hide_aborts_and_invent_none():
    assert after((100, 5, 100.0), (140, 5, 110.0), (150, 5, 123.0)).aborted == 0


def test_several_sequences_of_before_the_first_page_hide_nothing_later():
    assert after((140, 5, 110.0), (150, 5, 123.0)).aborted == 3


def test_a_restart_begins_the_count_anew_and_keeps_what_was_found():
    arrivals = after((100, 5, 100.0), (110, 5, 113.0), (2, 1, 6.0))
    assert arrivals.aborted == 3 + 4
    # 10 ended and 3 were broken off; of the new process 2 ended, 1 is held and 4 were broken off.
    assert arrivals.arrived == 13 + 7


def test_what_two_signs_find_counts_once():
    # Three vanish from those held, and three answers are broken off: the same three.
    arrivals = after((100, 9, 100.0), (100, 6, 103.0))
    assert (arrivals.aborted, arrivals.arrived) == (3, 0)


def test_a_page_without_answers_says_nothing_and_the_next_begins_anew():
    pages = (100, 5, 100.0), (110, 5, None), (120, 5, 190.0), (121, 5, 191.0), (122, 5, 193.0)
    assert after(*pages[:4]).aborted == 0
    assert after(*pages).aborted == 1


def test_another_process_begins_anew():
    arrivals = Arrivals()
    arrivals.observe(0.0, page(100), answers=100.0)
    arrivals.observe(10.0, page(500), Continuity.FOREIGN, answers=900.0)
    assert arrivals.aborted == 0

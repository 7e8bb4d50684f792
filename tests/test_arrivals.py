"""Arrivals and aborts, inferred from pages, against a server of which everything is known."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pentameter.arrivals import Arrivals
from pentameter.readings import EngineReading, Histogram
from pentameter.windows import Continuity

SAME, UNKNOWN, RESTARTED, FOREIGN = Continuity.SAME, Continuity.UNKNOWN, Continuity.RESTARTED, Continuity.FOREIGN


def page(ended=0, first_tokens=0, running=0, waiting=0):
    """Return what matters of a page: totals of ends and first tokens, and who is held now."""
    return EngineReading(
        "m",
        "0",
        {"request_success/stop": float(ended), "request_success/length": 0.0},
        {"running": float(running), "waiting": float(waiting)},
        {"ttft": Histogram((math.inf,), (float(first_tokens),), 0.0)},
    )


def watched(*pages, continuity=SAME):
    """Return what is inferred from pages one second apart."""
    arrivals = Arrivals()
    for time, one in enumerate(pages):
        arrivals.observe(float(time), one, continuity)
    return arrivals


def counted(*pages, continuity=SAME):
    arrivals = watched(*pages, continuity=continuity)
    return arrivals.arrived, arrivals.ended, arrivals.aborted


# ------------------------------------------------------------------ by hand


def test_what_was_before_the_first_page_is_not_counted():
    assert counted(page(100, 120, 15, 5)) == (0, 0, 0)


def test_whoever_ended_or_is_held_more_has_arrived():
    # 4 held, then 6 more ended and 9 are held: 6 + (9 - 4) = 11 arrived.
    assert counted(page(0, 0, 4, 0), page(6, 10, 7, 2)) == (11, 6, 0)


def test_whoever_is_held_less_without_having_ended_was_aborted():
    # 10 held, none ended, 7 held.
    assert counted(page(0, 0, 4, 6), page(0, 0, 4, 6), page(0, 0, 4, 3)) == (0, 0, 3)


def test_whoever_is_held_on_the_first_page_may_have_ended_before_it():
    assert counted(page(9, 10, 1, 0), page(9, 10, 0, 0)) == (0, 0, 0)


def test_a_fall_just_after_ends_is_no_abort_because_an_engine_may_hold_a_request_that_has_ended():
    # At a stop string vLLM's front end counts the end at once, and the engine lets go of the request a step later.
    assert counted(page(0, 0, 0, 0), page(0, 1, 1, 0), page(1, 1, 1, 0), page(1, 1, 0, 0)) == (2, 1, 0)
    # The one that seemed to have arrived meanwhile is set off against the next.
    after = (page(0, 0, 0, 0), page(0, 1, 1, 0), page(1, 1, 1, 0), page(1, 1, 0, 0), page(2, 2, 0, 0), page(3, 3, 0, 0))
    assert counted(*after) == (3, 3, 0)


def test_a_request_may_be_held_after_its_end_over_several_pages_that_come_quickly():
    arrivals = Arrivals()
    for time, one in ((0.0, page(0, 1, 1)), (0.1, page(1, 1, 1)), (0.2, page(1, 1, 1)), (0.3, page(1, 1, 0))):
        arrivals.observe(time, one, SAME)
    assert arrivals.aborted == 0
    # Long after the last end a fall is what it seems to be.
    for time, one in ((5.0, page(1, 2, 1)), (9.0, page(1, 2, 0))):
        arrivals.observe(time, one, SAME)
    assert arrivals.aborted == 1


def test_a_first_token_that_never_ends_was_aborted():
    # Between the pages one came, had its first token and was aborted, while another ended: held does not fall.
    assert counted(page(0, 0, 0, 0), page(1, 2, 0, 0)) == (2, 1, 1)
    # While three are held it could be one of them.
    assert counted(page(0, 0, 0, 0), page(0, 3, 3, 0), page(1, 5, 3, 0), page(4, 5, 0, 0)) == (5, 4, 1)


def test_a_preempted_request_that_waits_again_is_no_abort():
    # Four decode; the cache is full and three of them go back to the queue.
    assert counted(page(0, 0, 0, 0), page(0, 4, 4, 0), page(0, 4, 1, 3)) == (4, 0, 0)


def test_the_account_of_first_tokens_starts_afresh_whenever_the_server_is_empty():
    # The three that ran at the start had their first tokens unseen; their ends must not hide later aborts.
    start = (page(10, 13, 3, 0), page(13, 13, 0, 0))
    assert counted(*start) == (0, 3, 0)
    # Of three that had a first token since, one ended.
    assert counted(*start, page(14, 16, 0, 0)) == (3, 4, 2)


@pytest.mark.parametrize("continuity", [UNKNOWN, RESTARTED])
def test_after_a_restart_all_counts_from_nothing_and_the_lost_requests_are_no_aborts(continuity):
    arrivals = watched(page(50, 60, 10, 5), page(51, 61, 10, 5))
    arrivals.observe(2.0, page(3, 5, 2, 1), continuity)
    # One arrived before (one ended, as many held); then 3 ended and 3 are held.
    assert (arrivals.arrived, arrivals.ended, arrivals.aborted) == (1 + 6, 1 + 3, 0)


def test_what_was_counted_too_early_is_not_set_off_against_a_new_process():
    arrivals = watched(page(0, 0, 0, 0), page(0, 1, 1, 0), page(1, 1, 1, 0))
    assert arrivals.arrived == 2
    arrivals.observe(3.0, page(2, 2, 0, 0), RESTARTED)
    assert arrivals.arrived == 2 + 2


def test_a_restart_is_known_though_the_new_counters_stand_higher():
    arrivals = watched(page(3, 4, 1, 0))
    arrivals.observe(60.0, page(10, 10, 0, 0), RESTARTED)
    assert (arrivals.arrived, arrivals.ended, arrivals.aborted) == (10, 10, 0)


@pytest.mark.parametrize("first", [page(50, 60, 10, 0), page(51, 3, 10, 0), page(3, 61, 10, 0)])
def test_a_counter_that_falls_in_a_living_process_earns_nothing(first):
    arrivals = watched(page(51, 61, 10, 0), first, page(52, 62, 10, 0))
    assert arrivals.arrived <= 49
    arrivals = watched(page(51, 61, 10, 0), first)
    assert (arrivals.arrived, arrivals.ended, arrivals.aborted) == (0, 0, 0)


def test_the_page_of_another_process_earns_nothing_neither_now_nor_next():
    arrivals = watched(page(50, 60, 10, 0))
    arrivals.observe(1.0, page(5000, 6000, 100, 0), FOREIGN)
    arrivals.observe(2.0, page(5001, 6001, 100, 0), SAME)
    assert (arrivals.arrived, arrivals.ended, arrivals.aborted) == (1, 1, 0)


def test_whoever_had_a_first_token_in_one_process_is_not_missing_in_another():
    arrivals = watched(page(0, 0, 0, 0), page(0, 5, 5, 0))
    arrivals.observe(2.0, page(100, 101, 1, 0), FOREIGN)
    arrivals.observe(3.0, page(101, 102, 1, 0), SAME)
    assert (arrivals.arrived, arrivals.aborted) == (6, 0)


@pytest.mark.parametrize("lacking", ["request_success", "ttft", "running", "waiting"])
def test_a_page_that_lacks_a_part_breaks_the_account_off_and_the_next_begins_it_anew(lacking):
    whole = page(60, 70, 10, 0)
    half = EngineReading(
        "m",
        "0",
        {} if lacking == "request_success" else whole.counters,
        {gauge: value for gauge, value in whole.gauges.items() if gauge != lacking},
        {} if lacking == "ttft" else whole.histograms,
    )
    arrivals = watched(page(50, 60, 10, 0), half)
    assert arrivals.stalled_seconds() is None
    arrivals.observe(2.0, page(100, 110, 10, 0), SAME)
    assert (arrivals.arrived, arrivals.ended, arrivals.aborted) == (0, 0, 0)
    arrivals.observe(3.0, page(101, 110, 10, 0), SAME)
    assert (arrivals.arrived, arrivals.ended, arrivals.aborted) == (1, 1, 0)


# ------------------------------------------------------------------ stalls


def test_nothing_is_known_of_a_stall_before_the_first_page():
    assert Arrivals().stalled_seconds() is None


def test_a_stall_lasts_since_the_last_page_on_which_a_request_had_ended():
    running = [page(5, 9, 4, 0), page(6, 9, 3, 0), page(6, 9, 3, 2), page(6, 9, 3, 2), page(6, 9, 3, 2)]
    assert [watched(*running[: n + 1]).stalled_seconds() for n in range(5)] == [0, 0, 1, 2, 3]


def test_an_end_ends_the_stall():
    assert watched(page(5, 9, 4, 0), page(5, 9, 4, 0), page(6, 9, 3, 0)).stalled_seconds() == 0


def test_an_idle_server_is_not_stalled_and_waiting_counts_from_the_first_request():
    idle = [page(5, 5, 0, 0)] * 10
    assert watched(*idle).stalled_seconds() == 0
    assert watched(*idle, page(5, 5, 1, 0)).stalled_seconds() == 0
    assert watched(*idle, page(5, 5, 1, 0), page(5, 5, 1, 0)).stalled_seconds() == 1


def test_requests_that_only_wait_are_a_stall_too():
    assert watched(page(5, 5, 0, 3), page(5, 5, 0, 3), page(5, 5, 0, 4)).stalled_seconds() == 2


def test_a_restart_ends_the_stall():
    assert watched(page(5, 5, 3), page(5, 5, 3), page(0, 0, 3), continuity=UNKNOWN).stalled_seconds() == 0


# ------------------------------------------------------------------ against the truth


class Server:
    """A server of which everything is known, moved by one event at a time."""

    def __init__(self):
        self.queued = self.prefilling = self.decoding = self.requeued = self.let_go_later = 0
        self.first_tokens = self.ended = self.broken_off = self.late_answers = 0
        # Of all processes together, what a client knows.
        self.arrived = self.all_ended = self.aborted = self.aborted_after_first_token = self.lost = 0

    @property
    def held(self):
        return self.queued + self.prefilling + self.decoding + self.requeued

    @property
    def answers(self):
        """Return what the web server has answered, broken off or not; a restart makes it begin anew."""
        return self.ended + self.broken_off - self.late_answers

    def page(self):
        shown = page(
            self.ended,
            self.first_tokens,
            self.prefilling + self.decoding + self.let_go_later,
            self.queued + self.requeued,
        )
        self.let_go_later = self.late_answers = 0
        return shown

    def arrive(self):
        self.arrived += 1
        self.queued += 1

    def schedule(self):
        self._move("queued", "prefilling")

    def first_token(self):
        self.first_tokens += self._move("prefilling", "decoding")

    def preempt(self):
        self._move("decoding", "requeued")

    def resume(self):
        self._move("requeued", "decoding")

    def end(self):
        self._end("decoding")

    def end_at_a_stop_string(self):
        self.let_go_later += self._end("decoding")

    def fail_unserved(self):
        self._end("queued")

    def abort_queued(self):
        self._abort("queued")

    def abort_prefilling(self):
        self._abort("prefilling")

    def abort_decoding(self):
        self.aborted_after_first_token += self._abort("decoding")

    def abort_requeued(self):
        self.aborted_after_first_token += self._abort("requeued")

    def abort_and_be_held_for_a_moment(self):
        self.let_go_later += self._abort("decoding")

    def drain(self):
        """Let everybody still held be served to the end."""
        while self.held:
            for step in (self.schedule, self.first_token, self.resume, self.end):
                step()

    def restart(self):
        self.lost += self.held
        self.queued = self.prefilling = self.decoding = self.requeued = self.let_go_later = 0
        self.first_tokens = self.ended = self.broken_off = self.late_answers = 0

    def _move(self, source, target=None):
        moved = int(getattr(self, source) > 0)
        setattr(self, source, getattr(self, source) - moved)
        if target:
            setattr(self, target, getattr(self, target) + moved)
        return moved

    def _end(self, source):
        ended = self._move(source)
        self.ended += ended
        self.late_answers += ended
        self.all_ended += ended
        return ended

    def _abort(self, source):
        aborted = self._move(source)
        self.aborted += aborted
        self.broken_off += aborted
        return aborted


SERVING = ["arrive", "arrive", "schedule", "first_token", "end", "preempt", "resume", "drain"]
ABORTING = ["abort_queued", "abort_prefilling", "abort_decoding", "abort_requeued"]
events = st.lists(
    st.tuples(
        st.sampled_from([*SERVING, *ABORTING, "fail_unserved", "scrape", "scrape", "restart"]), st.integers(1, 4)
    ),
    max_size=60,
)


def play(events, watch, *, answers=False):
    """Let events happen, each so many times, and call ``watch`` with the server after every scrape.

    ``answers``: whether the page tells what the web server has answered; an answer may be a page behind its request.
    """
    server, arrivals, continuity = Server(), Arrivals(), SAME
    for time, (event, times) in enumerate([*events, ("scrape", 1)]):
        if event == "scrape":
            told = float(server.answers) if answers else None
            arrivals.observe(float(time), server.page(), continuity, told)
            continuity = SAME
            watch(server, arrivals)
            continue
        if event == "restart":
            continuity = RESTARTED
        for _ in range(times):
            getattr(server, event)()


@settings(max_examples=60)
@given(events)
def test_never_more_is_found_than_was_and_the_totals_never_fall(events):
    seen = []

    def watch(server, arrivals):
        assert arrivals.arrived <= server.arrived
        assert arrivals.ended <= server.all_ended
        assert arrivals.aborted <= server.aborted
        seen.append((arrivals.arrived, arrivals.ended, arrivals.aborted))

    play(events, watch)
    for before, after in pairwise(seen):
        assert all(a >= b for a, b in zip(after, before, strict=True))


no_restart = st.lists(
    st.tuples(st.sampled_from([*SERVING, *ABORTING, "fail_unserved", "scrape", "scrape"]), st.integers(1, 4)),
    max_size=60,
)


@settings(max_examples=60)
@given(no_restart)
def test_without_a_restart_the_account_balances(events):
    start = []

    def watch(server, arrivals):
        if not start:
            start.append(server.held)
        balance = arrivals.ended + arrivals.aborted + server.held - start[0]
        assert arrivals.arrived >= balance
        # Aborts that are not found yet are all that may be lacking to it.
        assert arrivals.arrived - balance <= server.aborted - arrivals.aborted

    play(events, watch)


@settings(max_examples=60)
@given(no_restart.map(lambda events: [event for event in events if event[0] != "fail_unserved"]))
def test_as_many_as_were_aborted_after_a_first_token_are_found_as_soon_as_the_server_is_empty(events):
    def watch(server, arrivals):
        if server.held == 0:
            assert arrivals.aborted >= server.aborted_after_first_token

    play([("scrape", 1), *events, ("drain", 1)], watch)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*SERVING, *ABORTING, "end_at_a_stop_string", "scrape", "scrape"]), st.integers(1, 4)
        ),
        max_size=60,
    )
)
def test_requests_that_the_engine_holds_a_little_longer_than_the_front_end_are_never_taken_for_aborted(events):
    def watch(server, arrivals):
        assert arrivals.aborted <= server.aborted

    play(events, watch)


answered = st.lists(
    st.tuples(
        st.sampled_from([*SERVING, *ABORTING, "abort_and_be_held_for_a_moment", "scrape", "scrape"]), st.integers(1, 4)
    ),
    max_size=60,
)
SETTLED = [("arrive", 4), ("scrape", 1), ("resume", 1), ("resume", 1), ("scrape", 1)]
"""Two pages far enough apart for every answer to what ended before the first."""


@settings(max_examples=60)
@given(answered, st.booleans(), answered)
def test_by_the_web_servers_answers_never_more_is_found_than_was(events, restart, others):
    found = []

    def watch(server, arrivals):
        assert arrivals.aborted <= server.aborted
        found.append((arrivals.arrived, arrivals.aborted))

    play([*SETTLED, *events, *([("restart", 1)] if restart else []), *others], watch, answers=True)
    for (arrived, aborted), (arrived_next, aborted_next) in pairwise(found):
        assert arrived_next >= arrived
        assert aborted_next >= aborted


@settings(max_examples=60)
@given(answered)
def test_by_the_web_servers_answers_every_abort_is_found_when_all_are_answered(events):
    def watch(server, arrivals):
        true.append((server.arrived, server.aborted, server.held))
        found.append((arrivals.arrived, arrivals.aborted))

    true, found = [], []
    play([*SETTLED, *events, ("scrape", 1), ("scrape", 1)], watch, answers=True)
    assert found[-1][1] == true[-1][1]
    # Four were there before the first page.
    assert found[-1][0] >= true[-1][0] - 4

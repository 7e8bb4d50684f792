"""The account of all requests: each is counted once, at its place, or it is said why not."""

from collections import Counter

import pytest

from builders import finished, records, slo
from pentameter import ledger as ledgers
from pentameter.attribution import Place, Servers
from pentameter.ledger import Ledger
from pentameter.records import EngineConfig, IterationFacts, StepRow
from pentameter.slo import Verdict
from pentameter.windows import Window

MINUTE = Window("1m", 60.0)
READ = Servers({"a": (("m", "0"),)})
UNREAD = Servers({"a": ()})
TWO = Servers({"a": (("small", "0"),), "b": (("large", "0"),)})
HERE = Place("a", "m", "0")


class Account(Ledger):
    """A ledger that keeps what it tells the estimate of capacity."""

    def __init__(self, *slos):
        self.judged = []
        super().__init__([MINUTE], slos, self.judged.append)

    def counted(self, place=HERE):
        """Return the requests in the book of a place."""
        return self.books[place].histograms()["e2e"].count if place in self.books else 0


def nothing(place):
    """Say that no page tells how many requests ended."""


def spans(time, *ids, servers=READ, account=None, **fields):
    account = account or Account()
    account.take("otlp", records(time, *(finished(origin="otlp", request_id=name, **fields) for name in ids)), servers)
    return account


def test_a_record_is_entered_at_its_place():
    account = spans(1.0, "x", "y", servers=TWO, sender="b")
    assert account.counted(Place("b", "large", "0")) == 2
    assert account.outcomes == {("otlp", "counted"): 2}
    assert account.heard == {Place("b", "large", "0"): {"otlp"}}


def test_a_record_of_nobody_is_counted_as_such_and_nowhere_else():
    account = spans(1.0, "x", servers=TWO)
    assert account.outcomes == {("otlp", "unattributed"): 1}
    assert (account.books, account.heard) == ({}, {})


def test_a_request_that_both_sources_report_is_entered_once():
    account = spans(1.0, "x", "y")
    account.take("plugin", records(2.0, finished(request_id="y"), finished(request_id="z")), READ)
    assert account.counted() == 3
    assert account.outcomes == {("otlp", "counted"): 2, ("plugin", "counted"): 1, ("plugin", "duplicate"): 1}
    assert account.heard == {HERE: {"otlp", "plugin"}}


def test_the_same_id_at_another_server_is_another_request():
    account = spans(1.0, "x", servers=TWO, sender="a")
    account.take("plugin", records(1.0, finished(request_id="x", sender="b")), TWO)
    assert account.outcomes == {("otlp", "counted"): 1, ("plugin", "counted"): 1}


def test_the_same_id_reported_without_its_engine_is_the_same_request():
    engines = Servers({"a": (("m", "0"), ("m", "1"))})
    account = Account()
    account.take("plugin", records(1.0, finished(request_id="x", model_name="m", engine="1")), engines)
    spans(2.0, "x", servers=engines, account=account)
    assert account.outcomes["otlp", "duplicate"] == 1
    assert account.counted(Place("a", "m", "1")) == 1
    assert account.counted(Place("a", "m", "")) == 0


# ------------------------------------------------------------------ before the first page


def test_records_wait_for_the_first_page_and_then_count():
    account = spans(1.0, "x", "y", servers=UNREAD)
    assert (account.outcomes, account.books) == ({}, {})
    account.take("otlp", records(2.0), READ)
    assert account.counted() == 2
    assert account.outcomes == {("otlp", "counted"): 2}
    account.take("otlp", records(3.0), READ)
    assert account.counted() == 2, "and only once"


def test_records_go_on_waiting_while_there_is_no_page():
    account = spans(1.0, "x", servers=UNREAD)
    for time in (2.0, 3.0, 4.0):
        account.take("otlp", records(time), UNREAD)
    account.take("otlp", records(5.0), READ)
    assert account.counted() == 1


def test_a_record_that_waited_is_judged_by_its_own_arrival():
    account = Account(slo(ttft=1.0))
    account.take("otlp", records(100.0, finished(origin="otlp", arrival=1_000_090.0), wall=1_000_100.0), UNREAD)
    # The wall clock was set back meanwhile; the monotonic one was not.
    account.take("otlp", records(105.0, wall=900_000.0), READ)
    assert [judged.arrival for judged in account.judged] == [90.0]


def test_of_too_many_waiting_records_the_oldest_are_given_up(monkeypatch):
    monkeypatch.setattr(ledgers, "PENDING", 2)
    account = Account()
    account.take("plugin", records(1.0, finished(sender="x")), UNREAD)
    spans(1.0, "a", "b", "c", servers=UNREAD, account=account)
    assert account.outcomes == {("plugin", "unattributed"): 1, ("otlp", "unattributed"): 1}
    account.take("otlp", records(2.0), READ)
    assert account.outcomes["otlp", "counted"] == account.counted() == 2


@pytest.mark.parametrize("servers", [READ, UNREAD, TWO])
def test_every_record_is_counted_a_duplicate_unattributed_or_waiting(servers):
    account, taken = Account(), Counter()
    for time in range(5):
        batch = [
            finished(origin="otlp", request_id=f"{n}", sender="ab"[n % 2] if n % 3 else "") for n in range(time + 3)
        ]
        batch += [finished(request_id=f"{n}", sender="b") for n in range(time)]
        account.take("otlp", records(float(time), *batch), servers)
        taken.update(request.origin for request in batch)
        for origin in ("plugin", "otlp"):
            waiting = sum(request.origin == origin for request, _ in account._pending)
            decided = sum(count for (source, _), count in account.outcomes.items() if source == origin)
            assert decided + waiting == taken[origin]


# ------------------------------------------------------------------ what else the plugin says


def test_a_configuration_is_kept_by_place_and_is_a_sign_of_life():
    account = Account()
    config = EngineConfig("m", "0", facts={"max_num_seqs": 256})
    account.take("plugin", records(1.0, configs=(config,)), READ)
    assert account.configs == {HERE: config}
    assert account.heard == {HERE: {"plugin"}}


def test_gaps_between_tokens_reach_the_book():
    account = Account()
    facts = IterationFacts("m", "0", gaps={693: 30}, gap_sum=30.0)
    account.take("plugin", records(1.0, iterations=(facts,)), READ)
    assert (account.iterations, account.heard) == ({HERE: facts}, {HERE: {"plugin"}})
    account.observe(1.0, [], nothing)
    means = [
        seconds
        for name, _, stat, seconds in account.books[HERE].latencies(1.0)
        if (name, stat) == ("inter_token", "mean")
    ]
    assert means == [1.0]


def test_what_the_plugin_says_of_an_unknown_server_is_passed_over():
    account = Account()
    facts = {"configs": (EngineConfig("x", "0"),), "iterations": (IterationFacts("x", "0"),)}
    account.take("plugin", records(1.0, **facts), TWO)
    assert (account.configs, account.heard, account.books) == ({}, {}, {})


# ------------------------------------------------------------------ verdicts and books


def test_every_slo_of_the_model_judges_and_its_verdicts_are_told():
    account = Account(slo("strict", ttft=0.05), slo("loose", ttft=1.0), slo("other", model="x*", ttft=1.0))
    account.take("plugin", records(8.0, finished(7, ttft=0.1, arrival=3.0)), READ)
    assert [(j.slo.name, j.judgement.verdict, j.arrival, j.output_tokens, j.place) for j in account.judged] == [
        ("strict", Verdict.BAD, 3.0, 7, HERE),
        ("loose", Verdict.GOOD, 3.0, 7, HERE),
    ]


def test_a_duplicate_is_not_judged_again():
    account = Account(slo(ttft=1.0))
    spans(1.0, "x", account=account)
    account.take("plugin", records(1.0, finished(request_id="x")), READ)
    assert len(account.judged) == 1


def test_every_engine_on_a_page_has_a_book_but_only_a_record_makes_it_heard():
    account = Account()
    account.observe(0.0, [HERE], nothing)
    assert set(account.books) == {HERE}
    assert account.heard == {}


def test_windows_begin_with_the_daemon_so_that_no_record_means_no_request():
    account = Account()
    account.observe(100.0, [], nothing)
    spans(130.0, "x", account=account)
    account.observe(130.0, [HERE], nothing)
    interval = account.books[HERE].track.interval(MINUTE)
    assert (interval.seconds, interval.deltas["finished"]) == (30.0, 1.0)


def test_an_engine_that_has_gone_is_forgotten_wholly():
    account = spans(1.0, "x")
    facts = {"configs": (EngineConfig("m", "0"),), "iterations": (IterationFacts("m", "0"),)}
    account.take("plugin", records(2.0, **facts), READ)
    account.forget(HERE)
    assert (account.books, account.heard, account.configs, account.iterations) == ({}, {}, {}, {})
    account.forget(HERE)


@pytest.mark.parametrize(
    ("facts", "decode"),
    [
        ({}, None),
        ({"max_num_batched_tokens": True}, None),
        ({"max_num_batched_tokens": 2048}, 0.4),
        ({"max_num_batched_tokens": 2048, "pipeline_parallel_size": 2}, 0.2),
    ],
    ids=["no configuration", "an odd one", "one batch at a time", "two batches at a time"],
)
def test_steps_are_read_by_the_configuration_that_the_plugin_tells(facts, decode):
    steps = (*[StepRow(0.01, 0.02, 2, 0, 0, 0.0, 2)] * 20, StepRow(0.0, 0.0, 0, 0, 0, 0.0, 0))
    begin = StepRow(0.0, 0.0, 0, 1, 1, 0.0, 1)
    told = IterationFacts("m", "0", steps=(begin, *steps))
    account = Account()
    account.take("plugin", records(1.0, configs=(EngineConfig("m", "0", facts=facts),), iterations=(told,)), READ)
    account.observe(2.0, [HERE], nothing)
    found = account.books[HERE].track.interval(MINUTE).deltas.get("step_seconds/decode")
    assert found == (decode and pytest.approx(decode))

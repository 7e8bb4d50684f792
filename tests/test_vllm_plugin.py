"""The stat logger as vLLM finds, makes and calls it."""

import importlib.util
import subprocess
import sys
import textwrap
from abc import ABC, abstractmethod
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

import pentameter
from fakes.plugin_messages import Ear
from fakes.unix_sockets import fresh_address, listening
from fakes.vllm_stats import finished, iteration, scheduler, vllm_config
from pentameter import vllm_plugin, vllm_plugin_reporter
from pentameter.vllm_plugin import PentameterStatLogger

EXPORTER = Path(pentameter.__file__).parents[1]


class StatLoggerBase(ABC):
    """As vLLM 0.12 to 0.33 have it."""

    @abstractmethod
    def __init__(self, vllm_config, engine_index=0): ...

    @abstractmethod
    def record(self, scheduler_stats, iteration_stats, mm_cache_stats=None, engine_idx=0): ...

    @abstractmethod
    def log_engine_initialized(self): ...

    def log(self):  # noqa: B027
        pass

    def record_sleep_state(self, is_awake, level):  # noqa: B027
        pass


class AggregateStatLoggerBase(StatLoggerBase):
    @abstractmethod
    def __init__(self, vllm_config, engine_indexes): ...


@pytest.fixture
def address(monkeypatch):
    address = fresh_address()
    monkeypatch.setenv("PENTAMETER_PLUGIN__SOCKET", address)
    monkeypatch.setattr(vllm_plugin_reporter, "PACE_SECONDS", 0.01)
    return address


@pytest.fixture
def ear(address):
    with listening(address) as listener:
        yield Ear(listener)


@pytest.fixture
def make(address):
    """Make loggers as vLLM does, and end their threads."""
    made = []

    def make(cls=PentameterStatLogger, engines=(0,)):
        made.append(cls(vllm_config=vllm_config(), engine_indexes=list(engines)))
        return made[-1]

    yield make
    for logger in made:
        if logger._reporter is not None:
            logger._reporter.stop()


def plugin_inside_vllm(monkeypatch, **names):
    """Import the plugin anew where ``vllm.v1.metrics.loggers`` has these names."""
    for name in ("vllm", "vllm.v1", "vllm.v1.metrics", "vllm.v1.metrics.loggers"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    vars(sys.modules["vllm.v1.metrics.loggers"]).update(names)
    spec = importlib.util.spec_from_file_location("plugin_inside_vllm", vllm_plugin.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script, *flags):
    """Run a script with an interpreter of its own that can import the package; return what it printed."""
    head = f"import sys; sys.path.insert(0, {str(EXPORTER)!r}); sys.path.insert(1, {str(Path(__file__).parent)!r})\n"
    command = [sys.executable, "-I", *flags, "-c", head + textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_entry_point_leads_to_the_class():
    (found,) = entry_points(group="vllm.stat_logger_plugins", name="pentameter")
    assert found.load() is PentameterStatLogger


def test_it_needs_nothing_but_the_standard_library():
    """-S leaves out the folder of installed packages."""
    printed = run("import pentameter.vllm_plugin; print([name for name in sys.modules if 'pentameter' in name])", "-S")
    assert "pentameter.vllm_plugin" in printed
    assert "pentameter.config" not in printed


def test_inside_vllm_it_is_what_vllm_asks_for(monkeypatch, make, ear):
    module = plugin_inside_vllm(
        monkeypatch, StatLoggerBase=StatLoggerBase, AggregateStatLoggerBase=AggregateStatLoggerBase
    )
    cls = module.PentameterStatLogger
    assert issubclass(cls, AggregateStatLoggerBase)
    logger = make(cls, engines=(0, 1))
    logger.log_engine_initialized()
    ear.until(lambda ear: ear.entries("config"))
    logger.record(scheduler(running=2), iteration(ended=[finished()]), mm_cache_stats=None, engine_idx=1)
    logger.record_sleep_state(1, 2)
    logger.record_admission_rejection("max_num_queued_reqs")
    logger.log()
    ear.until(lambda ear: ear.entries("request") and any(e["gauges"].get("asleep") for e in ear.entries("iteration")))
    assert ear.entries("request")[0]["engine"] == "1"


def test_a_release_that_demands_more_methods_can_still_make_it(monkeypatch, make):
    class Demanding(AggregateStatLoggerBase):
        @abstractmethod
        def record_weather(self, degrees): ...

    cls = plugin_inside_vllm(monkeypatch, AggregateStatLoggerBase=Demanding).PentameterStatLogger
    assert make(cls).record_weather(21) is None


def test_a_release_without_the_base_class_skips_it(monkeypatch):
    """vLLM logs and skips a plugin that cannot be imported; one that is no subclass would end it."""
    with pytest.raises(AttributeError, match="AggregateStatLoggerBase"):
        plugin_inside_vllm(monkeypatch, StatLoggerBase=StatLoggerBase)


def test_records_reach_a_listener(make, ear):
    logger = make()
    logger.record(scheduler(running=1), iteration(ended=[finished(request_id="a")]))
    logger.record(scheduler_stats=None, iteration_stats=iteration(ended=[finished(request_id="b")]), engine_idx=0)
    ear.until(lambda ear: len(ear.entries("request")) == 2)
    assert [entry["request_id"] for entry in ear.entries("request")] == ["a", "b"]
    assert ear.sums("steps") == 1


def test_the_server_s_name_is_sent_along(make, ear, monkeypatch):
    monkeypatch.setenv("PENTAMETER_PLUGIN__SERVER", "west")
    make().log_engine_initialized()
    assert ear.until(lambda ear: ear.messages).messages[0]["sender"] == "west"


@pytest.mark.parametrize("word", ["false", "0", "No", " OFF "])
def test_it_can_be_switched_off(make, monkeypatch, word):
    monkeypatch.setenv("PENTAMETER_PLUGIN__ENABLED", word)
    logger = make()
    logger.log_engine_initialized()
    logger.record(scheduler(), iteration())
    assert logger._reporter is None


def test_without_a_listener_nothing_happens_and_nothing_piles_up(make):
    logger = make()
    for _ in range(20_000):
        logger.record(scheduler(), iteration(ended=[finished()]))
    assert len(logger._reporter._intake) <= vllm_plugin_reporter.INTAKE


def test_no_method_raises_whatever_it_is_given(make, ear):
    logger = make()
    for strange in (None, 1, "x", object(), [], {}, ...):
        logger.record(strange, strange, strange, strange)
        logger.record(strange, strange, mm_cache_stats=strange, engine_idx=strange, news=strange)
        logger.record_sleep_state(strange, strange)
        logger.record_admission_rejection(strange)
        logger.log_engine_initialized()
        logger.log()
    logger.record()
    logger.record(scheduler(), iteration(ended=[finished(request_id="after all")]))
    ear.until(lambda ear: ear.entries("request"))


def test_an_exception_while_queueing_is_counted_not_raised(make, ear, monkeypatch):
    logger = make()
    logger.log_engine_initialized()
    ear.until(lambda ear: ear.messages)
    monkeypatch.setattr(vllm_plugin_reporter, "INTAKE", "no number")
    logger.record(scheduler(), iteration())
    monkeypatch.undo()
    logger.record(scheduler(), iteration())
    ear.until(lambda ear: ear.messages[-1]["totals"]["errors"] == 1)


def test_a_reporter_that_cannot_begin_is_tried_once(make, monkeypatch):
    tried = []

    def fail(*arguments):
        tried.append(arguments)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(vllm_plugin, "Reporter", fail)
    logger = make()
    for _ in range(3):
        logger.record(scheduler(), iteration())
    assert len(tried) == 1


FORK = """
import os, time, warnings
warnings.simplefilter("ignore")  # of a fork beside a thread, which is the point here
os.environ["PENTAMETER_PLUGIN__SOCKET"] = {address!r}
from fakes.vllm_stats import finished, iteration, vllm_config
from fakes.plugin_messages import Ear
from fakes.unix_sockets import listening
from pentameter import vllm_plugin_reporter
from pentameter.vllm_plugin import PentameterStatLogger
vllm_plugin_reporter.PACE_SECONDS = 0.01
with listening({address!r}) as listener:
    ear = Ear(listener)
    logger = PentameterStatLogger(vllm_config(), [0])
    logger.record(None, iteration(ended=[finished(request_id="parent")]))
    ear.until(lambda ear: ear.entries("request"))
    child = os.fork()
    if child == 0:
        logger.record(None, iteration(ended=[finished(request_id="child")]))
        for _ in range(2000):
            if logger._reporter._outbox._totals.sent:
                break
            time.sleep(0.01)
        os._exit(0)
    os.waitpid(child, 0)
    ear.until(lambda ear: len(ear.entries("request")) == 2)
    print(*(entry["request_id"] for entry in ear.entries("request")), len({{m["instance"] for m in ear.messages}}))
"""


def test_after_a_fork_the_child_speaks_for_itself():
    assert run(FORK.format(address=fresh_address())) == "parent child 2\n"


EXIT = """
import os
os.environ["PENTAMETER_PLUGIN__SOCKET"] = {address!r}
from fakes.vllm_stats import finished, iteration, vllm_config
from pentameter.vllm_plugin import PentameterStatLogger
logger = PentameterStatLogger(vllm_config(), [0])
logger.log_engine_initialized()
for _ in range(100):
    logger.record(None, iteration(ended=[finished()]))
print("the end")
"""


def test_it_does_not_keep_vllm_from_ending():
    assert run(EXIT.format(address=fresh_address())) == "the end\n"

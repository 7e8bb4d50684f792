"""One thread for blocking calls: order, failure, and an end that waits for nobody."""

import asyncio
import subprocess
import sys
import threading

import pytest

from pentameter.worker import Worker


def threads_named(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_the_result_comes_back_from_the_workers_own_thread():
    async def scenario():
        worker = Worker("bob")
        name = await worker.submit(lambda: threading.current_thread().name)
        worker.close()
        return name

    assert asyncio.run(scenario()) == "bob"


def test_calls_run_one_after_the_other_in_the_order_given():
    async def scenario():
        worker = Worker("w")
        finished = []
        first_may_end = threading.Event()

        def first():
            first_may_end.wait(5)
            finished.append(1)

        work = [
            worker.submit(first),
            worker.submit(lambda: finished.append(2)),
            worker.submit(lambda: finished.append(3)),
        ]
        first_may_end.set()
        await asyncio.gather(*work)
        worker.close()
        return finished

    assert asyncio.run(scenario()) == [1, 2, 3]


def test_what_a_call_raises_is_raised_where_it_is_awaited_and_the_thread_lives_on():
    async def scenario():
        worker = Worker("w")
        with pytest.raises(ZeroDivisionError):
            await worker.submit(lambda: 1 / 0)
        after = await worker.submit(lambda: "alive")
        worker.close()
        return after

    assert asyncio.run(scenario()) == "alive"


def test_a_stop_iteration_ends_the_wait_although_no_future_takes_it():
    async def scenario():
        worker = Worker("w")
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(worker.submit(lambda: next(iter(()))), 5)
        worker.close()

    asyncio.run(scenario())


def test_the_loop_goes_on_while_a_call_blocks():
    async def scenario():
        worker = Worker("w")
        may_end = threading.Event()
        blocked = worker.submit(lambda: may_end.wait(5))
        await asyncio.sleep(0)
        still_blocked = not blocked.done()
        may_end.set()
        worker.close()
        return still_blocked, await blocked

    assert asyncio.run(scenario()) == (True, True)


def test_a_result_that_nobody_waits_for_any_more_is_dropped():
    async def scenario():
        worker = Worker("w")
        may_end = threading.Event()
        abandoned = worker.submit(lambda: may_end.wait(5))
        abandoned.cancel()
        may_end.set()
        after = await worker.submit(lambda: "next")
        worker.close()
        return after

    assert asyncio.run(scenario()) == "next"


def test_a_call_that_outlives_the_loop_does_no_harm():
    may_end = threading.Event()
    over = threading.Event()

    def late():
        may_end.wait(5)
        over.set()

    async def scenario():
        worker = Worker("late")
        worker.submit(late)
        worker.close()

    asyncio.run(scenario())
    thread = threads_named("late")[0]
    may_end.set()
    thread.join(5)
    assert over.is_set()
    assert not thread.is_alive()


def test_close_lets_the_thread_end_after_what_it_was_given():
    done = []

    async def scenario():
        worker = Worker("closing")
        thread = threads_named("closing")[0]
        work = worker.submit(lambda: done.append("last"))
        worker.close()
        await work
        return thread

    thread = asyncio.run(scenario())
    thread.join(5)
    assert done == ["last"]
    assert not thread.is_alive()


def test_the_interpreter_ends_although_a_call_never_returns():
    script = """
import asyncio, threading
from pentameter.worker import Worker

async def main():
    started = threading.Event()
    Worker("stuck").submit(lambda: (started.set(), threading.Event().wait()))
    started.wait(5)

asyncio.run(main())
print("the end")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert (ended.stdout, ended.stderr) == ("the end\n", "")

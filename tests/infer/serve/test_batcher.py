"""Batches across requests, with a function in the classifier's place that shows what it was given."""

import asyncio
import threading

import numpy as np
import pytest
from waiting import LONG

from infer.serve.batcher import SHARE, Batcher, Full


class Gate:
    """Predicts the length of each text, once it is let; keeps the batches."""

    def __init__(self):
        self.batches, self.let = [], threading.Semaphore(0)

    def __call__(self, texts):
        self.batches.append(texts)
        assert self.let.acquire(timeout=LONG)
        if "fails" in texts:
            raise FloatingPointError("NaN")
        return np.array([[len(text), 0] for text in texts], np.float32)


def run(test, **limits):
    """Runs an async test of (Batcher, Gate)."""
    limits = {"texts": 8, "tokens": 1000, "tokens_of": len, "queue": 1000, "wait": 0.001} | limits

    async def running():
        gate = Gate()
        batcher = Batcher(gate, **limits)
        try:
            async with asyncio.timeout(LONG):
                await test(batcher, gate)
        finally:
            gate.let.release(1000)
            batcher.close()

    asyncio.run(running())


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


async def fill(batcher, gate):
    """Gives the one engine a batch of one text that it has to wait with; returns the future."""
    future = batcher.submit(["first"])
    await until(lambda: gate.batches)
    return future


def test_nothing_waits_where_nothing_is_computed():
    async def test(batcher, gate):
        future = batcher.submit(["good"])
        await until(lambda: gate.batches == [["good"]])
        gate.let.release()
        answers, waited = await future
        np.testing.assert_array_equal(answers, [[4, 0]])
        assert answers.dtype == np.float32 and waited >= 0
        gate.let.release()
        await batcher.submit(["the same client's next"])

    run(test, wait=10 * LONG)


def test_what_comes_meanwhile_goes_together_and_each_gets_its_own():
    async def test(batcher, gate):
        first = await fill(batcher, gate)
        futures = [batcher.submit(["a" * i, "b" * i]) for i in range(1, 4)]
        await asyncio.sleep(0.05)
        assert len(gate.batches) == 1 and batcher.waiting == 6
        gate.let.release(1000)
        for i, future in enumerate(futures, 1):
            np.testing.assert_array_equal((await future)[0], [[i, 0], [i, 0]])
        assert gate.batches[1:] == [["a", "b", "aa", "bb", "aaa", "bbb"]] and batcher.waiting == 0
        await first

    run(test)


def test_each_engine_gets_its_batch_at_once_and_the_next_when_it_is_done():
    async def test(batcher, gate):
        futures = [batcher.submit([str(i)]) for i in range(3)]
        await until(lambda: len(gate.batches) == 3)
        futures += [batcher.submit(["next"] * 8) for _ in range(4)]
        await asyncio.sleep(0.05)
        assert len(gate.batches) == 3 and batcher.waiting == 32
        gate.let.release()
        await until(lambda: len(gate.batches) == 4)
        gate.let.release(1000)
        await asyncio.gather(*futures)

    run(test, engines=3, wait=10 * LONG)


def test_engines_share_what_there_is():
    async def test(batcher, gate):
        futures = [batcher.submit(["first"]), batcher.submit(["second"])]
        await until(lambda: len(gate.batches) == 2)
        futures += [batcher.submit(["next"]) for _ in range(5)]
        gate.let.release()
        await until(lambda: len(gate.batches) == 3)
        assert gate.batches[2] == ["next"] * 3, "half of six, as one is under way"
        gate.let.release(1000)
        await asyncio.gather(*futures)

    run(test, engines=2)


def test_clients_that_were_answered_together_are_waited_for():
    async def test(batcher, gate):
        gate.let.release(1000)
        first = batcher.submit(["first"])
        await asyncio.gather(first, batcher.submit(["a"]), batcher.submit(["b", "b"]))
        assert gate.batches[1:] == [["a", "b", "b"]]
        again = [batcher.submit(["aa", "aa"])]
        await asyncio.sleep(0.05)
        assert len(gate.batches) == 2, "another one is to come"
        again.append(batcher.submit(["bb"]))
        await asyncio.gather(*again)
        assert gate.batches[2:] == [["aa", "aa", "bb"]]

    run(test, wait=10 * LONG)


def test_who_waited_already_does_not_stand_for_who_was_answered():
    async def test(batcher, gate):
        first = await fill(batcher, gate)
        answered = [batcher.submit(["a" * 4]), batcher.submit(["b" * 4])]
        waiting = batcher.submit(["c" * 3])
        gate.let.release(2)
        await asyncio.gather(first, *answered)
        again = [batcher.submit(["aa"])]
        await asyncio.sleep(0.05)
        assert len(gate.batches) == 2
        again.append(batcher.submit(["bb"]))
        gate.let.release(1000)
        await asyncio.gather(waiting, *again)
        assert gate.batches[2:] == [["ccc", "aa", "bb"]]

    run(test, tokens=10, wait=10 * LONG)


def test_clients_that_do_not_come_back_are_not_waited_for_long():
    async def test(batcher, gate):
        gate.let.release(1000)
        first = batcher.submit(["first"])
        await asyncio.gather(first, batcher.submit(["a"]), batcher.submit(["b"]))
        await batcher.submit(["aa"])
        assert gate.batches[2:] == [["aa"]]
        await asyncio.sleep(0.02)
        await batcher.submit(["aaa"])

    run(test, wait=0.01)


def test_a_batch_that_is_full_waits_no_longer():
    async def test(batcher, gate):
        gate.let.release(1000)
        first = batcher.submit(["first"])
        await asyncio.gather(first, *[batcher.submit([text]) for text in "12345678"])
        await batcher.submit(list("12345678"))

    run(test, wait=10 * LONG)


def test_batches_keep_to_their_limits_and_requests_take_turns():
    async def test(batcher, gate):
        await fill(batcher, gate)
        long = batcher.submit(["long"] * (3 * SHARE))
        short = batcher.submit(["short"])
        gate.let.release(1000)
        await asyncio.gather(long, short)
        assert gate.batches[1] == ["long"] * SHARE + ["short"] + ["long"] * (SHARE - 1)
        assert (await long)[0].shape == (3 * SHARE, 2)

    run(test, texts=2 * SHARE)


def test_a_batch_has_so_many_tokens_or_one_text():
    async def test(batcher, gate):
        await fill(batcher, gate)
        futures = [batcher.submit([text]) for text in ("a" * 6, "b" * 4, "c" * 3, "d" * 20, "e", "f")]
        gate.let.release(1000)
        await asyncio.gather(*futures)
        assert gate.batches[1:] == [["a" * 6, "b" * 4], ["c" * 3], ["d" * 20], ["e", "f"]]

    run(test, tokens=10)


def test_a_full_queue_takes_no_more_until_there_is_room():
    async def test(batcher, gate):
        await fill(batcher, gate)
        waiting = batcher.submit(["good"] * 3)
        with pytest.raises(Full):
            batcher.submit(["good"] * 3)
        last = batcher.submit(["good"] * 2)
        gate.let.release(1000)
        await asyncio.gather(waiting, last)
        assert (await batcher.submit(["good"] * 5))[0].shape == (5, 2)

    run(test, queue=5)


def test_what_is_given_up_is_not_predicted():
    async def test(batcher, gate):
        await fill(batcher, gate)
        gone, stays = batcher.submit(["gone"] * 3), batcher.submit(["stays"])
        gone.cancel()
        await asyncio.sleep(0)
        assert batcher.waiting == 1
        gate.let.release(1000)
        await stays
        assert gate.batches[1:] == [["stays"]]

    run(test)


def test_what_is_given_up_in_mid_answer_leaves_the_others_theirs():
    async def test(batcher, gate):
        gone = batcher.submit(["gone"] * (SHARE + 8))
        await until(lambda: gate.batches)
        stays = batcher.submit(["stays"])
        gone.cancel()
        gate.let.release(1000)
        np.testing.assert_array_equal((await stays)[0], [[5, 0]])
        assert batcher.waiting == 0 and sum(batch.count("gone") for batch in gate.batches) < SHARE + 8

    run(test, wait=10 * LONG)


def test_an_error_is_that_of_its_batch_alone():
    async def test(batcher, gate):
        gate.let.release(1000)
        with pytest.raises(FloatingPointError, match="NaN"):
            await batcher.submit(["fails"])
        assert (await batcher.submit(["good"]))[0].shape == (1, 2) and batcher.waiting == 0

    run(test)

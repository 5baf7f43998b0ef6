"""Batches across requests: what waits is predicted together, by threads, while the event loop goes on serving."""

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SHARE = 32  # texts of one request in a batch, while others wait: a long request does not hold up a short one


class Full(Exception):
    """There is no room in the queue."""


class Request:
    """Texts that wait, or are being predicted, for one future.

    Attributes:
      future: asyncio.Future of (float32 probabilities (texts, labels), seconds waited for the first text's batch).
    """

    def __init__(self, texts, future):
        self.texts, self.future = texts, future
        self.answers = None
        self.taken = self.answered = 0
        self.start, self.waited = time.perf_counter(), 0.0


class Batcher:
    """Gives what waits to `predict`, as much at once as its limits allow.

    Where several requests have just been answered, as many more are waited for, `wait` seconds at most: their clients
    ask again. Otherwise nothing waits while an engine has nothing to do. Requests take turns, each with up to SHARE
    texts.

    Args:
      predict: function of a list of str, which returns an array (texts, labels); called by several threads.
      engines: int, batches that it computes at once.
      texts: int, of a batch, at most.
      tokens: int, of a batch, at most, by tokens_of; a single text may have more.
      tokens_of: function of a str that returns about how many tokens it has.
      queue: int, texts that may wait, at most.
      wait: float, seconds.
      observe: function of (texts of a batch, its seconds), called after each.
    It belongs to the event loop that runs when it is made, and all but `predict` is called there.
    """

    def __init__(
        self, predict, *, engines=1, texts, tokens, tokens_of, queue, wait, observe=lambda texts, seconds: None
    ):
        self._predict, self._observe, self._tokens_of = predict, observe, tokens_of
        self._texts, self._tokens, self._queue, self._wait = texts, tokens, queue, wait
        self._loop = asyncio.get_running_loop()
        self._engines = engines
        self._threads = ThreadPoolExecutor(engines, "predict")
        self._requests = deque()
        self._running, self._timer, self._expected = 0, None, 0
        self.waiting = self._computed = 0

    def submit(self, texts):
        """Puts a list of str into the queue.

        Returns: asyncio.Future of (float32 probabilities (texts, labels), seconds that they waited); what is left of it
          when it is cancelled is not predicted.
        Raises: Full.
        """
        if self.waiting + len(texts) > self._queue:
            raise Full
        request = Request(texts, self._loop.create_future())
        request.future.add_done_callback(lambda future: self._forget(request))
        self._requests.append(request)
        self.waiting += len(texts)
        self._go_on()
        return request.future

    def close(self):
        """Waits for the batches that are under way."""
        self._threads.shutdown(cancel_futures=True)

    def _forget(self, request):
        """Drops what still waits of a request that was cancelled, or failed."""
        self.waiting -= len(request.texts) - request.taken
        request.taken = len(request.texts)

    def _go_on(self):
        if len(self._requests) >= self._expected or self.waiting >= self._texts:
            self._start()

    def _start(self):
        """Gives a batch to each engine that is idle, while there is something to do."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._expected = None, 0
        if self._running == self._engines or not (parts := self._take()):
            return
        self._running += 1
        texts = [text for request, first, end in parts for text in request.texts[first:end]]
        self._computed += len(texts)
        self._threads.submit(self._timed, texts).add_done_callback(
            lambda done: self._loop.call_soon_threadsafe(self._end, parts, len(texts), done)
        )
        self._start()

    def _timed(self, texts):
        start = time.perf_counter()
        return self._predict(texts), time.perf_counter() - start

    def _take(self):
        """Returns the next batch, as a list of (request, first text, end): an engine's share of all there is."""
        parts, texts, tokens = [], 0, 0
        most = min(self._texts, -(-(self.waiting + self._computed) // self._engines))
        while self._requests and texts < most:
            request = self._requests[0]
            first = end = request.taken
            limit = min(len(request.texts), first + SHARE, first + most - texts)
            while end < limit:
                tokens += self._tokens_of(request.texts[end])
                if tokens > self._tokens and texts + end - first:
                    break
                end += 1
            if end > first:
                if not first:
                    request.waited = time.perf_counter() - request.start
                parts.append((request, first, end))
                request.taken = end
                texts += end - first
                self.waiting -= end - first
            if tokens > self._tokens and end == first:
                break
            self._requests.popleft()
            if end < len(request.texts):
                self._requests.append(request)
            if tokens > self._tokens:
                break
        return parts

    def _end(self, parts, texts, done):
        """Hands out the answers of a batch."""
        self._running -= 1
        self._computed -= texts
        if error := done.exception():
            for request, _, _ in parts:
                if not request.future.done():
                    request.future.set_exception(error)
        else:
            answers, seconds = done.result()
            self._observe(texts, seconds)
            row = answered = 0
            for request, first, end in parts:
                if request.answers is None:
                    request.answers = np.empty((len(request.texts), answers.shape[1]), np.float32)
                request.answers[first:end] = answers[row : row + end - first]
                row += end - first
                request.answered += end - first
                if request.answered == len(request.texts) and not request.future.done():
                    request.future.set_result((request.answers, request.waited))
                    answered += 1
            if answered > 1:
                self._expected = len(self._requests) + answered
                self._timer = self._timer or self._loop.call_later(self._wait, self._start)
        self._go_on()

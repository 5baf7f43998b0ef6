"""Texts to probabilities with one IR: from infer import Classifier; Classifier("classifier.xml").predict(texts)"""

import os
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import openvino as ov

from infer.ir import FP32, close_cache, open_cache, read_model, reason
from infer.text.long import LONG, combine, count, reach_of, to_spans
from infer.text.tokenizer import load_tokenizer, to_batches, to_windows

BATCH_SIZE = 32
HINTS = ("throughput", "latency")


class Classifier:
    """Predicts texts with the IR that `make classifier` writes.

    Args:
      model: path of classifier.xml, its .bin beside it.
      device: an OpenVINO device name.
      hint: "throughput" for many texts, "latency" for the answer to a few.
      threads: int, how many of the CPU's to use, beside other processes that do so; None for all.
      long: of a text that is longer than the model reads, "cut" for its beginning, as in training, "head_tail" for a
        quarter of that and the rest of its end, "windows" for all of it, in at most MAX_WINDOWS windows, whose
        log-probabilities are averaged: see infer/text/long.py.
    The compiled model is kept in classifier.cache/ beside the IR, if that folder can be written to, for the next start;
    not with `threads`, as processes beside each other, on several machines too, would write it at once.
    Threads may share one; processes may not, each makes its own.
    Attributes:
      labels: list of str, in the order of the probabilities.
      max_seq_length: int, in WordPieces, [CLS] and [SEP] among them.
      long: as above.
    Raises: OSError if a file can't be read; ValueError if it is not such an IR, is broken, the device isn't there, or
      there is no such hint or way to read long texts.
    """

    def __init__(self, model, device="CPU", hint="throughput", threads=None, long="cut"):
        if hint not in HINTS:
            raise ValueError(f"hint {hint!r}: choose one of {', '.join(HINTS)}")
        if long not in LONG:
            raise ValueError(f"long {long!r}: choose one of {', '.join(LONG)}")
        self.long = long
        core = ov.Core()
        network, (vocab, self.labels, do_lower_case, self.max_seq_length) = read_model(core, model)
        vocab = {token: i for i, token in enumerate(vocab)}
        self._room = self.max_seq_length - 2
        self._encode = load_tokenizer(vocab, do_lower_case, reach_of(self._room))
        self._frame = vocab["[CLS]"], vocab["[SEP]"]
        config = FP32 | {"PERFORMANCE_HINT": hint.upper()}
        cache = Path(model).with_suffix(".cache")
        if threads:
            # OpenVINO would bind them to the first cores, those of every such process to the same.
            config |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        elif open_cache(cache):
            config["CACHE_DIR"] = str(cache)
        try:
            compiled = core.compile_model(network, device, config)
        except RuntimeError as error:
            devices = ", ".join(core.available_devices)
            raise ValueError(
                f"device {device} cannot run {model}: {reason(error)}: the devices here are {devices}"
            ) from error
        if not threads:
            close_cache(cache)
        self._requests = ov.AsyncInferQueue(compiled, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._lock, self._process = threading.Lock(), os.getpid()

    def predict(self, texts):
        """Yields, for each of an iterable of str, float32 probabilities (labels,), in their order.

        Reads a window of texts at a time, so any number of them takes the same memory.
        Raises: TypeError if `texts` is one str, or one of them is none; FloatingPointError if an answer is NaN or
          infinite; RuntimeError in a process forked from its own.
        """
        for window in to_windows(texts):
            yield from self.predict_window(window)

    def predict_window(self, texts):
        """Returns float32 probabilities (texts, labels) of a list of str; raises as predict."""
        if os.getpid() != self._process:  # OpenVINO's threads are not forked, so it would wait for ever
            raise RuntimeError("a Classifier does not survive a fork: make one in each process")
        spans, first = self._spans(texts)
        probabilities = np.empty((len(spans), len(self.labels)), np.float32)
        with self._lock:
            answering = {}  # {request: indices of the spans that it was given}
            for chosen, features in self._batches(spans):
                # Answers are taken here and not by callbacks, each of which would have to wait for Python's lock.
                i = self._requests.get_idle_request_id()
                if i in answering:
                    probabilities[answering[i]] = self._requests[i].get_output_tensor(0).data
                answering[i] = chosen
                # Shared, not copied: so the request's userdata, which is features, has to keep them alive.
                self._requests.start_async(features, features, share_inputs=True)
            self._requests.wait_all()
            for i, chosen in answering.items():
                probabilities[chosen] = self._requests[i].get_output_tensor(0).data
        if not np.isfinite(probabilities).all():
            raise FloatingPointError("the classifier computes what is NaN or infinite: make it of another checkpoint")
        return combine(probabilities, first)

    def batches(self, texts):
        """Returns the batches that a list of str is predicted in: spans of about one length, so that little is padding.

        A span is a text, or one of its windows.

        Returns: iterator of (indices of the spans, [input_ids, input_mask, segment_ids], each int32 (batch, length)).
        Raises: TypeError if one is no str.
        """
        return self._batches(self._spans(texts)[0])

    def lengths(self, texts):
        """Yields how many WordPieces each of an iterable of str has; raises as predict."""
        for window in to_windows(texts):
            yield from map(len, self._tokenize(window))

    def count(self, texts):
        """Returns the Counter of an iterable of str of what is longer than is read, as infer.text.long.count."""
        windows = (count([*self.lengths(window)], self._room) for window in to_windows(texts))
        return sum(windows, Counter())

    def _tokenize(self, texts):
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"text {i} is {type(text).__name__}, not str")
        return self._encode(texts)

    def _spans(self, texts):
        return to_spans(self._tokenize(texts), self._room, self.long)

    def _batches(self, spans):
        return to_batches(spans, self._frame, self.max_seq_length, BATCH_SIZE)

"""Texts to probabilities with one IR: from infer import Classifier; Classifier("classifier.xml").predict(texts)"""

import contextlib
import json
import logging
import os
import threading
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from infer.compiled import PRECISION_HINTS, Compiled, find_device, import_openvino, keep, read_kept
from infer.ir import ORIGIN, SEAL, broken, check_origin, check_seal, read_info, read_model, read_seal
from infer.precision import PRECISIONS, TOLERANCE, check_machine, fastest, measure, read_probes
from infer.text.long import LONG, combine, count, reach_of, to_spans
from infer.text.tokenizer import load_tokenizer, to_batches, to_windows

BATCH_SIZE = 32
# OpenVINO prepares its kernels for each length that it sees. In FP32 that takes less time than padding would.
MULTIPLES = {"fp32": 1, "bf16": 4, "int8": 4}
FEW = 8  # spans: so many at once are answered soon, more are answered fast
GATHERED = 256  # spans of several threads that are answered together; larger calls have nothing to gain
HINTS = ("throughput", "latency")
logger = logging.getLogger(__name__)  # unless told otherwise, Python prints its warnings as they are


class Call:
    """What one call of predict_window asks for, lists of ids, and its answer: probabilities, or an exception."""

    def __init__(self, spans):
        self.spans, self.probabilities, self.error = spans, None, None


class Classifier:
    """Predicts texts with the IR that `make classifier` writes.

    Args:
      model: path of classifier.xml, its .bin beside it.
      device: an OpenVINO device name.
      hint: "throughput" for many texts, "latency" for the answer to a few; None for what each call asks for.
      threads: int, how many of the CPU's to use, beside other processes that do so; None for all.
      precision: "fp32"; "bf16", which is faster and less exact where the CPU has it, elsewhere FP32 with a warning;
        "int8", by the IR that `make int8` writes beside this one; "auto", the fastest of them that costs no more than
        `tolerance` on this machine.
      tolerance: of "auto": no label of a probe may change, and none of their probabilities by more than this.
      long: of a text that is longer than the model reads, "cut" for its beginning, as in training, "head_tail" for a
        quarter of that and the rest of its end, "windows" for all of it, in at most MAX_WINDOWS windows, whose
        log-probabilities are averaged: see infer/text/long.py.
    What was compiled is kept in classifier.cache/ beside the IR, if that folder can be written to, for the next start;
    not with `threads`, as processes beside each other, on several machines too, would write it at once: these read it.
    Threads may share one: what they ask for at the same time is answered together. Processes may not, each makes its
    own.
    Attributes:
      labels: list of str, in the order of the probabilities.
      max_seq_length: int, in WordPieces, [CLS] and [SEP] among them.
      long: as above.
      precision: str, what it computes in: "fp32", "bf16" or "int8".
      path: Path of the IR: `model`, or that of INT8.
    Raises: OSError if a file can't be read; ValueError if it is not such an IR, is broken, the device isn't there or
      computes FP32 wrongly, or there is no such hint, precision or way to read long texts.
    """

    def __init__(self, model, device="CPU", hint=None, threads=None, precision="fp32", tolerance=TOLERANCE, long="cut"):
        choices = ("hint", hint, (None, *HINTS)), ("precision", precision, PRECISIONS), ("long", long, LONG)
        for name, value, values in choices:
            if value not in values:
                raise ValueError(f"{name} {value!r}: choose one of {', '.join(filter(None, values))}")
        if precision == "auto":
            precision = choose(model, device, hint, threads, tolerance)
        self.path = path = int8_of(model) if precision == "int8" else Path(model)
        self._file = path.parent / f"{path.stem}.cache" / f"{PRECISION_HINTS[precision]}.blob"
        self._hint, self._device, self._threads, self.long = hint, device, threads, long
        self._compiled = {}  # {hint: Compiled}
        self._lock, self._waiting, self._process = threading.Lock(), deque(), os.getpid()
        with ThreadPoolExecutor(1) as beside:  # what OpenVINO has to do takes as long as hashing
            kept = beside.submit(read_kept, self._file)
            sealed = beside.submit(lambda: check_seal(path, kept.result()[-1]))
            try:
                self._open(import_openvino(), model, precision, kept, sealed)
            finally:
                sealed.result()  # what is not as it was written has this error, whatever else came of it

    def _open(self, ov, model, precision, kept, sealed):
        """Reads what __init__ has begun to hash: Futures of read_kept and check_seal."""
        info, (vocab, self.labels, do_lower_case, self.max_seq_length) = read_info(self.path)
        if precision == "int8":
            check_origin(info, self.path, model)
        self._core = ov.Core()
        # Mapped, files that are written over while it lives would change its answers, or end the process.
        self._core.set_property({"ENABLE_MMAP": False})
        name, has_bfloat16 = find_device(self._core, self._device)
        if precision == "bf16" and not has_bfloat16:
            logger.warning("%s has no bfloat16: FP32 instead", name)
            precision = "fp32"
        self.precision = "int8" if ORIGIN in info and precision == "fp32" else precision
        vocab = {token: i for i, token in enumerate(vocab)}
        self._frame = vocab["[CLS]"], vocab["[SEP]"]
        self._encode = load_tokenizer(vocab, do_lower_case, reach_of(self.max_seq_length - 2))
        self._of = [info.get(SEAL), ov.__version__, name, self.precision]
        self._source, of, checked = kept.result()
        self._kept = of == self._of
        if not self._kept:
            self._state = sealed.result()
            self._read(self._state == checked)
        try:
            self._probes = read_probes(info, len(self.labels))
        except ValueError as error:
            raise ValueError(broken(self.path, error)) from error
        if self._hint:
            self._compile(self._hint)

    def predict(self, texts):
        """Yields, for each of an iterable of str, float32 probabilities (labels,), in their order.

        Reads a window of texts at a time, so any number of them takes the same memory.
        Raises: as predict_window; TypeError if `texts` is one str.
        """
        for window in to_windows(texts):
            yield from self.predict_window(window)

    def predict_window(self, texts):
        """Returns float32 probabilities (texts, labels) of a list of str.

        Calls of several threads are answered together: while one computes, the others' gather, and wait for nothing if
        none does.
        Raises: TypeError if one of them is no str; FloatingPointError if an answer is NaN or infinite; RuntimeError in
          a process forked from its own; ValueError if the device can't run the model.
        """
        if os.getpid() != self._process:  # OpenVINO's threads are not forked, so it would wait for ever
            raise RuntimeError("a Classifier does not survive a fork: make one in each process")
        spans, first = self._to_spans(texts)
        call = Call(spans)
        self._waiting.append(call)
        with self._lock:
            while call.probabilities is None and call.error is None:
                self._answer(self._gather())
        if call.error:
            raise call.error
        if not np.isfinite(call.probabilities).all():
            raise FloatingPointError("the classifier computes what is NaN or infinite: make it of another checkpoint")
        return combine(call.probabilities, first)

    def _gather(self):
        """Returns the calls that wait, in their order: the first, and as many as may be answered together."""
        calls = [self._waiting.popleft()]
        size = len(calls[0].spans)
        while self._waiting and size + len(self._waiting[0].spans) <= GATHERED:
            calls.append(self._waiting.popleft())
            size += len(calls[-1].spans)
        return calls

    def _answer(self, calls):
        """Gives each of the calls its answer."""
        try:
            spans = [span for call in calls for span in call.spans]
            probabilities = self._compute(spans, self._compile(self._hint or HINTS[len(spans) <= FEW]))
            end = 0
            for call in calls:
                end += len(call.spans)
                call.probabilities = probabilities[end - len(call.spans) : end]
        except BaseException as error:  # Ctrl-C too: the other threads would wait for an answer that does not come
            for call in calls:
                call.error = error

    def _compute(self, spans, compiled):
        """Returns float32 probabilities (spans, labels) of a list of lists of ids."""
        probabilities = np.empty((len(spans), len(self.labels)), np.float32)
        compiled.predict(self._batches(spans), probabilities)
        return probabilities

    def _compile(self, hint):
        """Returns the Compiled for a hint, made when it is first asked for."""
        if hint not in self._compiled:
            compiled = self._load(hint)
            if not self._kept:
                if self.precision == "fp32":
                    check_machine(lambda texts: self._compute(self._encode(texts), compiled), self._probes)
                # What did not pass is not kept.
                self._kept = not self._threads and keep(compiled.model, self._file, self._of, self._state)
            self._compiled[hint] = compiled
        return self._compiled[hint]

    def _load(self, hint):
        """Returns the Compiled for a hint of what was kept, or of the IR."""
        try:
            return Compiled(self._core, self._source, self._device, hint, self._threads, self.precision)
        except ValueError:
            # A CPU of the same name may lack what it was compiled for.
            if not isinstance(self._source, np.ndarray) or read_seal(self.path) != self._of[0]:
                raise
            self._kept = False
            self._read(True)
            return self._load(hint)

    def _read(self, unread):
        """Has OpenVINO read the IR, after all of it has been hashed, here if it is `unread`."""
        if unread:
            self._state = check_seal(self.path)
        self._source = read_model(self._core, self.path, len(self.labels))

    def is_kept(self):
        """Tells whether what it has compiled is there for the next start."""
        return self._kept

    def batches(self, texts):
        """Returns the batches that a list of str is predicted in: spans of about one length, so that little is padding.

        A span is a text, or one of its windows.

        Returns: iterator of (indices of the spans, [input_ids, input_mask, segment_ids], each int32 (batch, length)).
        Raises: TypeError if one is no str.
        """
        return self._batches(self._to_spans(texts)[0])

    def lengths(self, texts):
        """Yields how many WordPieces each of an iterable of str has; raises as predict."""
        for window in to_windows(texts):
            yield from map(len, self._tokenize(window))

    def count(self, texts):
        """Returns the Counter of an iterable of str of what is longer than is read, as infer.text.long.count."""
        windows = (count([*self.lengths(window)], self.max_seq_length - 2) for window in to_windows(texts))
        return sum(windows, Counter())

    def _to_spans(self, texts):
        return to_spans(self._tokenize(texts), self.max_seq_length - 2, self.long)

    def _tokenize(self, texts):
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"text {i} is {type(text).__name__}, not str")
        return self._encode(texts)

    def _batches(self, spans):
        # Half of a large batch of few texts is padding. Three sizes alone: OpenVINO keeps what it prepares for each.
        batch_size = 4 if len(spans) <= 32 else 8 if len(spans) <= 64 else BATCH_SIZE
        return to_batches(spans, self._frame, self.max_seq_length, batch_size, MULTIPLES[self.precision])


def int8_of(model):
    """Returns the Path of the IR that `make int8` makes of a classifier.xml."""
    return Path(model).parent / "int8" / Path(model).name


def load_each(model, device, hint, threads=None):
    """Returns {precision: Classifier} of what there is here: bf16 on a device that has it, int8 if it was made."""
    classifiers = {"fp32": Classifier(model, device, hint, threads)}
    if find_device(classifiers["fp32"]._core, device)[1]:
        classifiers["bf16"] = Classifier(model, device, hint, threads, "bf16")
    if int8_of(model).exists():
        try:
            classifiers["int8"] = Classifier(model, device, hint, threads, "int8")
        except ValueError as error:  # of another classifier, or broken
            logger.warning("%s", error)
    return classifiers


def measure_each(model, device="CPU", hint=None, threads=None):
    """Returns {precision: Cost} of load_each's; raises as Classifier."""
    classifiers = load_each(model, device, hint, threads)
    return measure(classifiers, classifiers["fp32"]._probes)


def choose(model, device, hint, threads, tolerance):
    """Returns the precision that precision="auto" stands for; what was once measured is noted beside the IR."""
    ov = import_openvino()
    note = Path(model).with_suffix(".cache") / "auto.json"
    seals = [read_seal(path) for path in (model, int8_of(model))]
    of = [ov.__version__, find_device(ov.Core(), device)[0], hint, threads, tolerance, *seals]
    with contextlib.suppress(OSError, ValueError, KeyError):
        found = json.loads(note.read_text())
        if found["of"] == of:
            return found["precision"]
    precision = fastest(measure_each(model, device, hint, threads), tolerance, hint)
    with contextlib.suppress(OSError):
        note.parent.mkdir(exist_ok=True)
        note.write_text(json.dumps({"of": of, "precision": precision}))
    return precision

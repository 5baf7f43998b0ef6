"""Texts to probabilities with one IR: from infer import Classifier; Classifier("classifier.xml").predict(texts)"""

import contextlib
import errno
import hashlib
import json
import os
import threading
from itertools import islice
from pathlib import Path

import numpy as np
import openvino as ov

from infer.model import reason
from infer.text import SPECIAL_TOKENS, load_tokenizer, to_batches

INFO = "classifier"  # the section of rt_info
KEYS = ("vocab", "labels", "do_lower_case", "max_seq_length")
SEAL = "sha256"  # beside KEYS: of the .xml, with NO_SEAL in its place, and the .bin
NO_SEAL = "0" * 64
WINDOW = 2048  # texts that are read, sorted by length and predicted before the first of them is answered
BATCH_SIZE = 32
HINTS = ("throughput", "latency")


def write_info(network, *values):
    """Writes the values of KEYS, in their order, into the rt_info of an ov.Model, each as JSON."""
    for key, value in zip(KEYS, values, strict=True):
        network.set_rt_info(json.dumps(value), [INFO, key])


def digest(path):
    """Returns the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(path):
    """Returns the SHA-256 of a classifier's .xml, but for the seal in it, and its .bin; and the seal, as bytes."""
    before, tag, after = Path(path).read_bytes().partition(f'<{SEAL} value="'.encode())
    written, after = after[: len(NO_SEAL)], after[len(NO_SEAL) :]
    sha256 = hashlib.sha256(before + tag + NO_SEAL.encode() + after)
    sha256.update(digest(Path(path).with_suffix(".bin")).encode())
    return sha256.hexdigest().encode(), written


def save_model(network, path):
    """Writes an ov.Model as an IR, its numbers as they are.

    Args:
      path: Path, .xml; its .bin lands beside it. What is there is not written into: it may be the weights that
        `network` reads, by another name, or in use.
    Raises: OSError if that fails, as on a full disk, which OpenVINO itself does not name; no half of it stays.
    """
    for suffix in (".xml", ".bin"):
        path.with_suffix(suffix).unlink(missing_ok=True)
    try:
        ov.save_model(network, path, compress_to_fp16=False)
    except RuntimeError as error:
        for half in (path, path.with_suffix(".bin")):
            with contextlib.suppress(OSError):
                half.unlink()
        why = f"cannot write the IR ({reason(error)}): is there room for it, and may it be written there?"
        raise OSError(errno.EIO, why, str(path)) from error


def save_classifier(network, path):
    """Writes an ov.Model that has write_info's rt_info as an IR that read_model reads: save_model, and its seal."""
    network.set_rt_info(NO_SEAL, [INFO, SEAL])
    save_model(network, path)
    path.write_bytes(path.read_bytes().replace(NO_SEAL.encode(), seal(path)[0]))


def is_classifier(path):
    """Tells whether the file at `path` is an IR with a classifier's rt_info, as infer.convert writes it."""
    try:
        return f"<{INFO}>".encode() in Path(path).read_bytes()
    except OSError:
        return False


def check_info(network, vocab, labels, do_lower_case, max_seq_length):
    """Raises ValueError if the values of KEYS are not of their types, or don't fit the ov.Model."""
    for names in (vocab, labels):
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ValueError("its vocab or labels are no list of names")
    if missing := {*SPECIAL_TOKENS} - {*vocab}:
        raise ValueError(f"no {min(missing)} in its vocab")
    if not isinstance(do_lower_case, bool) or not isinstance(max_seq_length, int) or max_seq_length < 3:
        raise ValueError("its do_lower_case or max_seq_length makes no sense")
    shapes = [str(port.partial_shape) for port in (*network.inputs, *network.outputs)]
    if shapes != ["[?,?]"] * 3 + [f"[?,{len(labels)}]"]:
        raise ValueError(f"it takes and gives {' '.join(shapes)}, not three of ids and {len(labels)} probabilities")


def read_model(core, path):
    """Returns the ov.Model at `path` and the values of KEYS; raises OSError or ValueError, as Classifier.

    What is not as it was written is not given to OpenVINO, which may end the process over it.
    """
    path = Path(path)
    for file in (path, path.with_suffix(".bin") if path.name else path):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file: make it with `make classifier`")
    try:
        found, written = seal(path)
        if not written:
            raise ValueError(f"no {SEAL} in its rt_info")
        if found != written:
            raise ValueError("its .xml or .bin is not as it was written")
        network = core.read_model(path)
        info = [json.loads(network.get_rt_info([INFO, key]).astype(str)) for key in KEYS]
        check_info(network, *info)
        return network, info
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{path}: not a classifier, or broken: {reason(error)}: make it with `make classifier`"
        ) from error


def open_cache(folder):
    """Tells whether OpenVINO can keep compiled models in `folder`; removes those that are not as they were written.

    OpenVINO notices one that was cut, and not one whose numbers have changed.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        return False
    # Of what is in it, only to be read: OpenVINO leaves its files read-only.
    writable = os.access(folder if folder.is_dir() else folder.parent, os.W_OK | os.X_OK)
    if not writable or not all(os.access(file, os.R_OK) for file in folder.glob("*")):
        return False
    for blob in folder.glob("*.blob"):
        sha256 = blob.with_suffix(".sha256")
        if not sha256.is_file() or sha256.read_text(errors="replace") != digest(blob):
            blob.unlink(missing_ok=True)
    return True


def close_cache(folder):
    """Notes the SHA-256 of the compiled models for the next open_cache; on a full disk they are made again then."""
    with contextlib.suppress(OSError):
        for blob in folder.glob("*.blob"):
            sha256 = blob.with_suffix(".sha256")
            if not sha256.exists() or sha256.stat().st_mtime_ns < blob.stat().st_mtime_ns:
                sha256.write_text(digest(blob))


class Classifier:
    """Predicts texts with the IR that `make classifier` writes.

    Args:
      model: path of classifier.xml, its .bin beside it.
      device: an OpenVINO device name.
      hint: "throughput" for many texts, "latency" for the answer to a few.
      threads: int, how many of the CPU's to use, beside other processes that do so; None for all.
    The compiled model is kept in classifier.cache/ beside the IR, if that folder can be written to, for the next start;
    not with `threads`, as processes beside each other, on several machines too, would write it at once.
    Threads may share one; processes may not, each makes its own.
    Attributes:
      labels: list of str, in the order of the probabilities.
      max_seq_length: int, in WordPieces, [CLS] and [SEP] among them; what is longer is cut, as in training.
    Raises: OSError if a file can't be read; ValueError if it is not such an IR, is broken, the device isn't there, or
      there is no such hint.
    """

    def __init__(self, model, device="CPU", hint="throughput", threads=None):
        if hint not in HINTS:
            raise ValueError(f"hint {hint!r}: choose one of {', '.join(HINTS)}")
        core = ov.Core()
        network, (vocab, self.labels, do_lower_case, self.max_seq_length) = read_model(core, model)
        vocab = {token: i for i, token in enumerate(vocab)}
        self._encode = load_tokenizer(vocab, do_lower_case, self.max_seq_length - 2)
        self._frame = vocab["[CLS]"], vocab["[SEP]"]
        # Some CPUs would run it in bfloat16.
        config = {"PERFORMANCE_HINT": hint.upper(), "INFERENCE_PRECISION_HINT": "f32"}
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

        Reads WINDOW texts at a time, so any number of them takes the same memory.
        Raises: TypeError if `texts` is one str, or one of them is none; FloatingPointError if an answer is no number;
          RuntimeError in a process forked from its own.
        """
        if isinstance(texts, str):
            raise TypeError("predict takes an iterable of texts: put the one into a list")
        texts = iter(texts)
        while window := list(islice(texts, WINDOW)):
            yield from self.predict_window(window)

    def predict_window(self, texts):
        """Returns float32 probabilities (texts, labels) of a list of str; raises as predict."""
        if os.getpid() != self._process:  # OpenVINO's threads are not forked, so it would wait for ever
            raise RuntimeError("a Classifier does not survive a fork: make one in each process")
        probabilities = np.empty((len(texts), len(self.labels)), np.float32)
        with self._lock:
            answering = {}  # {request: indices of the texts that it was given}
            for chosen, features in self.batches(texts):
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
            raise FloatingPointError("the classifier computes what is no number: make it of another checkpoint")
        return probabilities

    def batches(self, texts):
        """Returns the batches that a list of str is predicted in: texts of about one length, so that little is padding.

        Returns: iterator of (indices of the texts, [input_ids, input_mask, segment_ids], each int32 (batch, length)).
        Raises: TypeError if one is no str.
        """
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"text {i} is {type(text).__name__}, not str")
        return to_batches(self._encode(texts), self._frame, self.max_seq_length, BATCH_SIZE)

"""A classifier's ov.Model on a device: compiled, and kept in a file beside the IR for the next start.

OpenVINO is imported when it is needed: files are hashed while it is.
"""

import contextlib
import functools
import hashlib
import importlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from infer.ir import reason

CONVERTER = "openvino.tools.ovc"
CAPABILITIES = "OPTIMIZATION_CAPABILITIES"
REST = 0.05  # seconds; 2 ms are enough, where nothing else runs
PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # what is not INT8 stays in FP32


def import_openvino():
    """Returns the module openvino, imported without its converter, which would take as long as all the rest of it.

    openvino.convert_model imports it when it is first asked for.
    """
    if "openvino" not in sys.modules:
        sys.modules[CONVERTER] = None  # openvino does without it then
        try:
            import openvino
        finally:
            del sys.modules[CONVERTER]

        def import_later(name):
            if name != "convert_model":
                raise AttributeError(f"module 'openvino' has no attribute {name!r}")
            return importlib.import_module(CONVERTER).convert_model

        openvino.__getattr__ = import_later
    return sys.modules["openvino"]


@functools.cache
def rest_before_forks():
    """Has this process wait before it forks.

    For some ms after an answer OpenVINO's threads hold a lock. A child would find it closed, and wait for ever.
    """
    os.register_at_fork(before=lambda: time.sleep(REST))


def find_device(core, name):
    """Returns (full name, whether it has bfloat16) of an OpenVINO device; raises ValueError if it isn't there."""
    try:
        full_name, capabilities = (core.get_property(name, key) for key in ("FULL_DEVICE_NAME", CAPABILITIES))
        return full_name, "BF16" in capabilities
    except RuntimeError as error:
        raise ValueError(not_on(core, name, error)) from error


def not_on(core, device, error):
    """Returns what to say if a device cannot run a classifier."""
    devices = ", ".join(core.available_devices)
    return f"device {device} cannot run it: {reason(error)}: the devices here are {devices}"


class Compiled:
    """A classifier's ov.Model, compiled for a device.

    Args:
      core: ov.Core.
      source: the ov.Model, or what read_kept returned of it, whatever the hint was then.
      device, hint, threads: as of Classifier.
      precision: a key of PRECISION_HINTS.
    Attributes:
      model: ov.CompiledModel.
    Raises: ValueError if the device can't run it.
    """

    def __init__(self, core, source, device, hint, threads, precision):
        import openvino as ov

        rest_before_forks()
        config = {"INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision], "PERFORMANCE_HINT": hint.upper()}
        if threads:
            # OpenVINO would bind them to the first cores, those of every such process to the same.
            config |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        try:
            if isinstance(source, ov.Model):
                self.model = core.compile_model(source, device, config)
            else:
                # Its memory is shared, so Classifier keeps it.
                self.model = core.import_model(ov.Tensor(source, shared_memory=True), device, config)
        except (RuntimeError, TypeError) as error:  # TypeError of an OpenVINO that imports no tensor
            raise ValueError(not_on(core, device, error)) from error
        self._queue = ov.AsyncInferQueue(self.model, self.model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._request, self._tensor = self.model.create_infer_request(), ov.Tensor

    def predict(self, batches, probabilities):
        """Computes batches.

        Args:
          batches: iterable of (indices of rows, [input_ids, input_mask, segment_ids], each int32 (batch, length)).
          probabilities: float32 array (rows, labels), which is filled.
        """
        answering = {}  # {request: indices of the rows that it was given}
        for rows, features in batches:
            if len(rows) == len(probabilities):
                probabilities[rows] = self._predict_one(features)
                return
            # Answers are taken here and not by callbacks, each of which would have to wait for Python's lock.
            i = self._queue.get_idle_request_id()
            if i in answering:
                probabilities[answering[i]] = self._queue[i].get_output_tensor(0).data
            answering[i] = rows
            # Shared, not copied: so the request's userdata, which is features, has to keep them alive.
            self._queue.start_async(features, features, share_inputs=True)
        self._queue.wait_all()
        for i, rows in answering.items():
            probabilities[rows] = self._queue[i].get_output_tensor(0).data

    def _predict_one(self, features):
        """Returns the probabilities (batch, labels) of a batch that is alone, a tenth of a ms sooner than a queue."""
        for i, feature in enumerate(features):
            self._request.set_input_tensor(i, self._tensor(feature))
        self._request.start_async()
        self._request.wait()
        return self._request.get_output_tensor(0).data


def read_kept(file):
    """Returns (the compiled model that `keep` wrote, uint8 array; its `of`; `state`), or Nones if it has changed."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        note, blob = json.loads(file.with_suffix(".json").read_text()), np.empty(file.stat().st_size, np.uint8)
        with file.open("rb") as opened:
            opened.readinto(blob)  # other threads of Python go on, as with np.fromfile they would not
        if note["sha256"] == hashlib.sha256(blob).hexdigest():
            return blob, note["of"], note["state"]
    return None, None, None


def keep(model, file, of, state):
    """Writes an ov.CompiledModel for the next start, and its SHA-256; tells whether that could be done.

    Of two that do so at once, or if this one is interrupted, the next start finds another SHA-256, and compiles again.

    Args:
      model: the ov.CompiledModel.
      file: Path, .blob, in a folder that may have to be made.
      of: what it was made of, a list of what JSON knows.
      state: what infer.ir.check_seal returned of the IR, so that the next start need not read it all again.
    """
    try:
        exported = model.export_model()
        if isinstance(exported, bytes):  # of OpenVINO 2024, which does not import them
            return False
        blob = exported.getbuffer()
        file.parent.mkdir(exist_ok=True)
        with ThreadPoolExecutor(1) as beside:
            sha256 = beside.submit(hashlib.sha256, blob)
            file.write_bytes(blob)
        note = {"of": of, "state": state, "sha256": sha256.result().hexdigest()}
        file.with_suffix(".json").write_text(json.dumps(note))
        return True
    except (OSError, RuntimeError):  # no room for it, not to be written, or a device that exports none
        with contextlib.suppress(OSError):
            file.unlink()
        return False

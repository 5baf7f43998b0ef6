"""A classifier's ov.Model on a device: compiled, and kept in a folder beside the IR for the next start.

OpenVINO is imported when it is needed: files are hashed while it is.
"""

import contextlib
import functools
import os
import time

from infer.ir import reason
from infer.text.files import sha256_of

CAPABILITIES = "OPTIMIZATION_CAPABILITIES"
REST = 0.05  # seconds; 2 ms are enough, where nothing else runs
PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # what is not INT8 stays in FP32


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


def is_quantized(network):
    """Tells whether an ov.Model is INT8, if only in part."""
    return any(node.get_type_name() == "FakeQuantize" for node in network.get_ops())


class Compiled:
    """A classifier's ov.Model, compiled for a device.

    Args:
      core: ov.Core.
      network: the ov.Model.
      device, hint, threads: as of Classifier.
      precision: a key of PRECISION_HINTS.
      cache: Path of a folder that open_cache has approved of, or None.
    Attributes:
      model: ov.CompiledModel.
    Raises: ValueError if the device can't run it.
    """

    def __init__(self, core, network, device, hint, threads, precision, cache):
        import openvino as ov

        rest_before_forks()
        config = {"INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision], "PERFORMANCE_HINT": hint.upper()}
        if threads:
            # OpenVINO would bind them to the first cores, those of every such process to the same.
            config |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        if cache:
            config["CACHE_DIR"] = str(cache)
        try:
            self.model = core.compile_model(network, device, config)
        except RuntimeError as error:
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


def open_cache(folder):
    """Tells whether OpenVINO can keep compiled models in a folder; removes those that are not as they were written.

    OpenVINO notices one that was cut, and not one whose numbers have changed.
    """
    try:
        for path in (folder.parent, folder):  # not that of an IR that is not there
            path.mkdir(exist_ok=True)
    except OSError:
        return False
    # Of what is in it, only to be read: OpenVINO leaves its files read-only.
    if not os.access(folder, os.W_OK | os.X_OK) or not all(os.access(file, os.R_OK) for file in folder.glob("*")):
        return False
    for blob in folder.glob("*.blob"):
        sha256 = blob.with_suffix(".sha256")
        if not sha256.is_file() or sha256.read_text(errors="replace") != sha256_of(blob):
            blob.unlink(missing_ok=True)
    return True


def close_cache(folder):
    """Notes the SHA-256 of the compiled models for the next open_cache; on a full disk they are made again then."""
    with contextlib.suppress(OSError):
        for blob in folder.glob("*.blob"):
            sha256 = blob.with_suffix(".sha256")
            if not sha256.exists() or sha256.stat().st_mtime_ns < blob.stat().st_mtime_ns:
                sha256.write_text(sha256_of(blob))

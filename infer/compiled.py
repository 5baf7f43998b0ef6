"""A classifier's ov.Model on a device: compiled, and kept in a folder beside the IR for the next start.

OpenVINO is imported when it is needed: files are hashed while it is.
"""

import contextlib
import os

from infer.ir import reason
from infer.text.files import sha256_of

CAPABILITIES = "OPTIMIZATION_CAPABILITIES"
PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # what is not INT8 stays in FP32


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


def compile_queue(core, network, device, hint, threads, precision, cache):
    """Returns the ov.AsyncInferQueue of a classifier's ov.Model.

    Args:
      core: ov.Core.
      network: the ov.Model.
      device, hint, threads: as of Classifier.
      precision: a key of PRECISION_HINTS.
      cache: Path of a folder that open_cache has approved of, or None.
    Raises: ValueError if the device can't run it.
    """
    import openvino as ov

    config = {"INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision], "PERFORMANCE_HINT": hint.upper()}
    if threads:
        # OpenVINO would bind them to the first cores, those of every such process to the same.
        config |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    if cache:
        config["CACHE_DIR"] = str(cache)
    try:
        compiled = core.compile_model(network, device, config)
    except RuntimeError as error:
        raise ValueError(not_on(core, device, error)) from error
    return ov.AsyncInferQueue(compiled, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))


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

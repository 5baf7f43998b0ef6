"""The classifier's IR on disk: written and sealed, checked and read.

An IR is a pair of files, .xml and .bin. In a classifier's rt_info is what is needed to predict texts with it (KEYS, as
JSON), and a seal: by that, a file that has changed since it was written is refused before OpenVINO reads it. rt_info is
read without OpenVINO, which needs no file of an IR whose compiled model was kept.
"""

import contextlib
import errno
import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

from infer.text.files import sha256_of
from infer.text.vocab import SPECIAL_TOKENS

INFO = "classifier"  # the section of rt_info
KEYS = ("vocab", "labels", "do_lower_case", "max_seq_length")  # infer/precision.py adds its probes
SEAL = "sha256"  # beside KEYS: of the .xml, with NO_SEAL in its place, and the .bin
NO_SEAL = "0" * 64
TEMPERATURE = "temperature"  # beside KEYS, in one that is calibrated: see infer/calibrate.py
ORIGIN = "fp32_sha256"  # in one in INT8, and there alone: the seal of that which it was made of
FP32 = {"INFERENCE_PRECISION_HINT": "f32"}  # for compile_model, all of which give it: some CPUs would take bfloat16


def reason(error):
    """Returns what happened: the last line of OpenVINO's message, which begins with source positions."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def write_info(network, *values):
    """Writes the values of KEYS, in their order, into the rt_info of an ov.Model, each as JSON."""
    for key, value in zip(KEYS, values, strict=True):
        network.set_rt_info(json.dumps(value), [INFO, key])


def values_of(network):
    """Returns the values of KEYS in the rt_info of an ov.Model that has write_info's, in their order."""
    return [json.loads(network.get_rt_info([INFO, key]).astype(str)) for key in KEYS]


def temperature_of(info):
    """Returns the temperature in read_info's dict, or None if the classifier is not calibrated."""
    return json.loads(info.get(TEMPERATURE, "null"))


def around_seal(xml):
    """Returns a classifier's .xml, given as bytes, in three: what is before its seal, that, and what is after it."""
    before, tag, after = xml.partition(f'<{SEAL} value="'.encode())
    return before + tag, after[: len(NO_SEAL)], after[len(NO_SEAL) :]


def seal(xml, path):
    """Returns the SHA-256 of a classifier's .xml, given as bytes, but for its seal, and its .bin; and that seal."""
    before, written, after = around_seal(xml)
    sha256 = hashlib.sha256(before + NO_SEAL.encode() + after)
    sha256.update(sha256_of(path.with_suffix(".bin")).encode())
    return sha256.hexdigest().encode(), written


def read_seal(path):
    """Returns the seal that is in a classifier's .xml, as str, or None if there is no such file, or no seal in it."""
    with contextlib.suppress(OSError):
        return around_seal(Path(path).read_bytes())[1].decode(errors="replace") or None


def check_origin(info, path, model):
    """Raises ValueError if the INT8 classifier at `path`, whose read_info this is, was not made of that at `model`."""
    if info.get(ORIGIN) != read_seal(model):
        raise ValueError(f"{path}: not made of {model}: make it again with `make int8`")


def save_model(network, path):
    """Writes an ov.Model as an IR, its numbers as they are.

    Args:
      path: Path, .xml; its .bin lands beside it. What is there is not written into: it may be the weights that
        `network` reads, by another name, or in use.
    Raises: OSError if that fails, as on a full disk, which OpenVINO itself does not name; no half of it stays.
    """
    import openvino as ov  # here, so that files can be checked while Classifier imports it

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
    xml = path.read_bytes()
    before, _, after = around_seal(xml)
    path.write_bytes(before + seal(xml, path)[0] + after)


def is_classifier(path):
    """Tells whether the file at `path` is an IR with a classifier's rt_info, as infer.convert writes it."""
    try:
        return f"<{INFO}>".encode() in Path(path).read_bytes()
    except OSError:
        return False


def check_values(vocab, labels, do_lower_case, max_seq_length):
    """Raises ValueError if the values of KEYS are not of their types."""
    for names in (vocab, labels):
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ValueError("its vocab or labels are no list of names")
    if missing := {*SPECIAL_TOKENS} - {*vocab}:
        raise ValueError(f"no {min(missing)} in its vocab")
    if not isinstance(do_lower_case, bool) or not isinstance(max_seq_length, int) or max_seq_length < 3:
        raise ValueError("its do_lower_case or max_seq_length makes no sense")


def state_of(path):
    """Returns what the file system says of an IR's two files, for JSON: as long as that is so, nobody wrote to them."""
    found = [file.stat() for file in (path, path.with_suffix(".bin"))]
    return [[one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns] for one in found]


def check_seal(path, checked=None):
    """Checks that the IR at a Path is as it was written; returns its state_of.

    Where that is `checked`, which this returned of it once, nothing is read.
    Raises: OSError or ValueError, as Classifier, if it is not there or is not as it was written.
    """
    for file in (path, path.with_suffix(".bin") if path.name else path):
        if not file.is_file():
            goal = "int8" if path.parent.name == "int8" else "classifier"
            raise FileNotFoundError(f"{file}: no such file: make it with `make {goal}`")
    if (state := state_of(path)) == checked:
        return state
    found, written = seal(path.read_bytes(), path)
    if not written:
        raise ValueError(broken(path, f"no {SEAL} in its rt_info"))
    if found != written:
        raise ValueError(broken(path, "its .xml or .bin is not as it was written"))
    return state


def read_info(path):
    """Returns ({name: str}, what is in rt_info of the classifier at a Path; the values of KEYS in it, in their order).

    Raises: OSError or ValueError, as Classifier.
    """
    try:
        # Of the .xml no more is parsed than this.
        _, begin, after = path.read_text(encoding="utf-8").partition(f"<{INFO}>")
        section = ElementTree.fromstring(begin + after.partition(f"</{INFO}>")[0] + f"</{INFO}>")
        info = {element.tag: element.get("value") for element in section}
        values = [json.loads(info.get(key, "null")) for key in KEYS]
        check_values(*values)
        return info, values
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(broken(path, error)) from error


def broken(path, why):
    """Returns what to say of an IR that can't be used."""
    return f"{path}: not a classifier, or broken: {why}: make it with `make classifier`"


def read_model(core, path, num_labels):
    """Returns the ov.Model at a Path, of so many labels; raises OSError or ValueError, as Classifier.

    What is not as it was written is not given to OpenVINO, which may end the process over it: call check_seal before.
    """
    try:
        network = core.read_model(path)
    except RuntimeError as error:
        raise ValueError(broken(path, reason(error))) from error
    shapes = [str(port.partial_shape) for port in (*network.inputs, *network.outputs)]
    if shapes != ["[?,?]"] * 3 + [f"[?,{num_labels}]"]:
        why = f"it takes and gives {' '.join(shapes)}, not three of ids and {num_labels} probabilities"
        raise ValueError(broken(path, why))
    return network

"""A small build of files and records, as mk/run.py writes them, and what one who forges them does."""

import hashlib
import json
from pathlib import Path

from record import seal

SURROUNDINGS = {
    "python": "3.11.9",
    "packages": {"numpy": "1.26.4"},
    "platform": "Linux",
    "cpu": "AMD EPYC",
    "cores": 2,
    "git_commit": "47b11f4" + 33 * "0",
    "git_dirty": False,
    "start": "2026-11-26T10:57:33.256+00:00",
    "end": "2026-11-26T10:57:42.015+00:00",
    "seconds": 8.759,
    "peak_memory_bytes": 450449408,
    "random_seed": 0,
    "flags": {"output_dir": "build/tiny"},
    "modules": [],
}


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_record(path, record):
    """Writes a record with its seal, as the one who made it, or forged it, would."""
    record = {key: value for key, value in record.items() if key != "sha256"}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(record | {"sha256": seal(record)}, indent=2))


def record_stage(root, name, inputs, outputs, **changes):
    """Writes build/tiny/NAME.record.json below `root`, of files that are there."""
    stage = name.rpartition("/")[2]
    record = {"stage": stage, "goal": stage, "parameters": f"python {stage}.py", "command": ["python", f"{stage}.py"]}
    digests = ({file: digest(root / file) for file in files} for files in (inputs, outputs))
    record |= dict(zip(("inputs", "outputs"), digests, strict=True))
    write_record(root / f"build/tiny/{name}.record.json", record | SURROUNDINGS | changes)


def write_build(root):
    """Writes a build of two stages below `root`, with what of a checkout a bundle takes."""
    files = {
        "build/tiny/result2/eval_results.txt": "eval_accuracy = 0.828\neval_loss = 0.43\n",
        "build/tiny/result2/model.ckpt-1.index": "weights",
        "build/tiny/reviews/test.jsonl": '{"review": "somebody\'s own words"}\n',
        "build/tiny/predict/openvino.txt": "('Absolutely fantastic!', array([0.1, 0.9]), 'Positive')\n",
        "infer/reviews.txt": "Absolutely fantastic!\n",
        "requirements/tf1.txt": "tensorflow==1.15.0\n",
        "patches/disable-dropout.patch": "-True\n+False\n",
        "Makefile": "all:\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    result2 = ["build/tiny/result2/eval_results.txt", "build/tiny/result2/model.ckpt-1.index"]
    record_stage(root, "reviews", [], ["build/tiny/reviews/test.jsonl"])
    record_stage(root, "result2", ["build/tiny/reviews/test.jsonl", "requirements/tf1.txt"], result2)
    record_stage(root, "predict/openvino", [result2[1], "infer/reviews.txt"], ["build/tiny/predict/openvino.txt"])
    return root


def forge(build, name, change):
    """Changes the bytes of a file of a build, and all records and their seals so that they vouch for it.

    Args:
      build: the folder, build/tiny of a checkout.
      name: of the file in the build.
      change: function of the bytes.
    """
    path, recorded = build / name, f"build/tiny/{name}"
    path.write_bytes(change(path.read_bytes()))
    for place in build.rglob("*.record.json"):
        record = json.loads(place.read_text())
        for kind in ("inputs", "outputs"):
            if recorded in record[kind]:
                record[kind][recorded] = digest(path)
        write_record(place, record)

"""The RO-Crate of a bundle: what is what in it, https://w3id.org/ro/crate/1.3. Runs in the bundle environment."""

import json
import mimetypes

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

METADATA = "ro-crate-metadata.json"
VERSION = "1"  # of the bundle's form
LICENCE = "https://spdx.org/licenses/Apache-2.0"
LICENCE_WORDS = {
    "@type": "CreativeWork",
    "name": "Apache-2.0",
    "description": "of the scripts; of weights: see its card",
}
# By the end of a file's name; the first that fits.
MEANINGS = (
    (".record.json", "record of a stage: command, seed, digests of what it read and made, packages, machine, times"),
    (".intoto.json", "in-toto Statement of that record, with SLSA's provenance"),
    ("eval_results.txt", "metrics on the test reviews"),
    ("eval_by_label.txt", "metrics on the test reviews, by label"),
    ("labels.txt", "the labels, in the order of their ids"),
    ("test_results.tsv", "TensorFlow's probabilities, a review a line"),
    ("predictions.txt", "TensorFlow's predictions"),
    ("openvino.txt", "OpenVINO's predictions"),
    ("mo.log", "log of the Model Optimizer"),
    ("int8/results.txt", "accuracy, loss, size and speed in FP32 and in INT8"),
    ("calibration/results.txt", "accuracy, loss, Brier score and ECE before and after calibration"),
    ("calibration/temperature.json", "the temperature that calibrates the classifier, and what it was found on"),
    ("README.md", "model card"),
    (".patch", "the edit that takes dropout out of the second phase"),
    ("checksums.txt", "digests of the archives that weights and reviews come from"),
    (".mk", "parameters of a profile"),
    ("Makefile", "the variables and the stages"),
    (".txt", "pins of an environment, with hashes"),
)
TYPES = {".jsonl": "application/jsonl", ".md": "text/markdown", ".tsv": "text/tab-separated-values"}


def describe(name):
    """Returns (what a file is in words, its media type)."""
    meaning = next((meaning for end, meaning in MEANINGS if name.endswith(end)), "result")
    if "events.out.tfevents" in name:
        meaning = "curves of the training, for TensorBoard"
    end = name[name.rfind(".") :]
    return meaning, TYPES.get(end) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def write_crate(out, files, records):
    """Returns the text of a bundle's ro-crate-metadata.json.

    Args:
      out: the build's folder by the names in its records.
      files: {name in the bundle: (bytes, SHA-256)}.
      records: {stage's name: record}.
    """
    crate = ROCrate()
    crate.name = f"{out}: what was made of it, and by what"
    crate.description = (
        "BERT fine-tuned on movie reviews and converted with OpenVINO: results, records of every stage, logs, pins, "
        "patch. No weights and no data set are in it. `make verify FROM=` checks it, `make reproduce FROM=` makes it "
        "again."
    )
    crate.license = LICENCE
    crate.root_dataset["datePublished"] = max(record["end"] for record in records.values())
    crate.root_dataset["version"] = VERSION
    crate.add(ContextEntity(crate, LICENCE, LICENCE_WORDS))
    for name, (size, sha256) in sorted(files.items()):
        meaning, kind = describe(name)
        properties = {
            "name": name.rpartition("/")[2],
            "description": meaning,
            "encodingFormat": kind,
            "contentSize": str(size),
            "sha256": sha256,
        }
        crate.add_file(dest_path=name, properties=properties)
    for name, record in sorted(records.items()):
        made = [crate.dereference(file) for file in sorted(record["outputs"]) if file in files]
        action = {
            "@type": "CreateAction",
            "name": name,
            "description": f"{record['parameters']} (commit {record['git_commit']})",
            "startTime": record["start"],
            "endTime": record["end"],
        }
        action = crate.add(ContextEntity(crate, f"#{name}", action))
        action["instrument"] = crate.dereference("Makefile")
        action["object"] = crate.dereference(f"{out}/{name}.record.json")
        if made:
            action["result"] = made if len(made) > 1 else made[0]
        crate.root_dataset.append_to("mentions", action)
    return json.dumps(crate.metadata.generate(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read_crate(text):
    """Returns {name: SHA-256} of the files that a bundle's ro-crate-metadata.json lists.

    Raises: ValueError, with one line, if it is none of a bundle of this version.
    """
    try:
        entities = {entity["@id"]: entity for entity in json.loads(text)["@graph"]}
        version = entities["./"].get("version")
        files = {name: each["sha256"] for name, each in entities.items() if each["@type"] == "File"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"its {METADATA} is not as make bundle writes it") from error
    if version != VERSION:
        raise ValueError(f"a bundle of version {version}, not {VERSION}: use the checkout that made it")
    return files

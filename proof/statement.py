"""What a stage's record says, as in-toto's Statement with SLSA's provenance. Runs in the bundle environment.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.0/provenance
"""

import json

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

PREDICATE = "https://slsa.dev/provenance/v1"
# There is no address of this repository to name; a URN says what is meant.
BUILD_TYPE, BUILDER = "urn:bert-openvino-classifier:stage:v1", "urn:bert-openvino-classifier:mk/stage.py"


def describe(name, sha256):
    """Returns the validated ResourceDescriptor of a file, as a protobuf message."""
    descriptor = ResourceDescriptor(name=name, digest={"sha256": sha256})
    descriptor.validate()
    return descriptor.pb


def write_statement(record):
    """Returns the text of the Statement of a record: what was made, by which command, from what, where and when.

    Raises: ValueError if the record has not what belongs in one, or in-toto's own check finds it to be none.
    """
    try:
        return to_text(record)
    except (ParseError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no Statement can be made of the record ({type(error).__name__})") from error


def to_text(record):
    """As write_statement; raises what protobuf and Python raise of a record of another form."""
    packages = (f"pkg:pypi/{name.lower()}@{version}" for name, version in record["packages"].items())
    dependencies = [MessageToDict(describe(*each)) for each in sorted(record["inputs"].items())]
    dependencies += [{"uri": uri} for uri in packages]
    if record["git_commit"]:
        dependencies.append({"name": "checkout", "digest": {"gitCommit": record["git_commit"]}})
    provenance = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"goal": record["goal"], "command": record["parameters"], "flags": record["flags"]},
            "internalParameters": {
                key: record[key] for key in ("random_seed", "python", "platform", "cpu", "cores", "git_dirty")
            },
            "resolvedDependencies": dependencies,
        },
        "runDetails": {
            "builder": {"id": BUILDER},
            "metadata": {
                "invocationId": record["sha256"],
                "startedOn": record["start"].replace("+00:00", "Z"),
                "finishedOn": record["end"].replace("+00:00", "Z"),
            },
        },
    }
    predicate = MessageToDict(ParseDict(provenance, provenance_pb2.Provenance()))  # which refuses what is none
    subjects = [describe(name, sha256) for name, sha256 in sorted(record["outputs"].items())]
    statement = Statement(subjects, PREDICATE, predicate)
    statement.validate()
    return json.dumps(MessageToDict(statement.pb), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

"""The OpenAPI document is true: what it says is answered as it says, and what it does not say is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from serving import serving

pytestmark = [pytest.mark.process, pytest.mark.more]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
TOKEN = "0123456789abcdef"
INFER = "/v2/models/{name}/infer"


@pytest.fixture(scope="module")
def served(classifier):
    """With the limit of a body out of the way, which the document tells in words."""
    with serving(classifier, "--body", 1 << 26) as found:
        yield found


@pytest.fixture(scope="module")
def guarded(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("guarded") / "token"
    path.write_text(TOKEN)
    with serving(classifier, "--token_file", path, "--body", 1 << 26, token=TOKEN) as found:
        yield found


@pytest.mark.parametrize("server", ["served", "guarded"])
@pytest.mark.parametrize(
    "flags",
    [
        ["--exclude-path", INFER],
        # The shape has to be that of the data, which no schema can say.
        ["--include-path", INFER, "--exclude-checks", "positive_data_acceptance"],
    ],
)
def test_every_operation_keeps_to_its_description(server, flags, request, tmp_path):
    server = request.getfixturevalue(server)
    command = [SCHEMATHESIS, "run", f"{server.url}/openapi.json", "--checks", "all", "--no-color", "--seed", "1"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "200", "--generation-database", "none"]
    command += ["--header", f"Authorization: Bearer {TOKEN}", *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    others = len(server.client.get("/openapi.json").json()["paths"]) - 2  # it leaves out the document itself
    assert f"Tested: {1 if '--include-path' in flags else others}" in done.stdout
    assert server.predict("good")

"""KServe's protocol, asked by Triton's own client, and by hand."""

import asyncio
import json

import numpy as np
import pytest
import tritonclient.http
import tritonclient.http.aio
from serving import FP32, error_of
from small import random_texts
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.process
TEXTS = random_texts(50) + ["", "很好", "\U0001f600 good"]
PATH = "/v2/models/classifier/infer"


def tensor(texts, shape=None, binary=True, module=tritonclient.http):
    found = module.InferInput("text", shape or [len(texts)], "BYTES")
    found.set_data_from_numpy(np.array(texts, object).reshape(shape or [len(texts)]), binary_data=binary)
    return found


@pytest.fixture
def triton(served):
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{served.port}", network_timeout=300) as client:
        yield client


def test_the_server_and_the_model_are_live_ready_and_described(triton):
    assert triton.is_server_live() and triton.is_server_ready() and triton.is_model_ready("classifier")
    assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
    found = triton.get_model_metadata("classifier")
    assert found["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in found["outputs"]] == ["probabilities", "label"]
    assert found["properties"]["labels"] == ["Negative", "Positive"]
    assert not triton.is_model_ready("another")
    with pytest.raises(InferenceServerException, match="there is no such model: there is classifier"):
        triton.get_model_metadata("another")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
@pytest.mark.parametrize("column", [True, False])
def test_probabilities_and_labels_are_the_classifiers(triton, model, binary_in, binary_out, column):
    outputs = (
        binary_out
        if binary_out is None
        else [
            tritonclient.http.InferRequestedOutput(name, binary_data=binary_out) for name in ("label", "probabilities")
        ]
    )
    shape = [len(TEXTS), 1] if column else None
    found = triton.infer("classifier", [tensor(TEXTS, shape, binary_in)], outputs=outputs, request_id="7 ü")
    expected = model.predict_window(TEXTS)
    probabilities = found.as_numpy("probabilities")
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=FP32)
    labels = [label.decode() if isinstance(label, bytes) else label for label in found.as_numpy("label")]
    assert labels == [model.labels[i] for i in expected.argmax(1)] and len(set(labels)) == 2
    assert found.get_response()["id"] == "7 ü" and found.get_response()["model_name"] == "classifier"


def test_one_output_alone_and_one_of_each_kind(triton):
    label = tritonclient.http.InferRequestedOutput("label", binary_data=False)
    probabilities = tritonclient.http.InferRequestedOutput("probabilities", binary_data=True)
    found = triton.infer("classifier", [tensor(["good"])], outputs=[label])
    assert found.as_numpy("probabilities") is None and len(found.as_numpy("label")) == 1
    found = triton.infer("classifier", [tensor(["good"])], outputs=[label, probabilities])
    assert found.as_numpy("probabilities").shape == (1, 2) and len(found.as_numpy("label")) == 1


def test_many_at_once_over_the_asynchronous_client(served, model):
    async def ask():
        async with tritonclient.http.aio.InferenceServerClient(f"127.0.0.1:{served.port}") as client:
            inputs = [tensor([text], module=tritonclient.http.aio) for text in TEXTS]
            return await asyncio.gather(*(client.infer("classifier", [one]) for one in inputs))

    found = [result.as_numpy("probabilities")[0] for result in asyncio.run(ask())]
    np.testing.assert_allclose(found, model.predict_window(TEXTS), atol=FP32)


def test_what_triton_would_answer_otherwise_is_refused(triton):
    classes = tritonclient.http.InferRequestedOutput("probabilities", class_count=1)
    with pytest.raises(InferenceServerException, match="'classification': is not supported"):
        triton.infer("classifier", [tensor(["good"])], outputs=[classes])
    with pytest.raises(InferenceServerException, match="'sequence_id': is not supported"):
        triton.infer("classifier", [tensor(["good"])], sequence_id=5)
    with pytest.raises(InferenceServerException, match="output 'logits': there are probabilities and label"):
        triton.infer("classifier", [tensor(["good"])], outputs=[tritonclient.http.InferRequestedOutput("logits")])
    with pytest.raises(InferenceServerException, match="compressed"):
        triton.infer("classifier", [tensor(["good"])], request_compression_algorithm="gzip")


def body(**changes):
    given = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]} | changes
    return json.dumps({"inputs": [{key: value for key, value in given.items() if value is not None}]}).encode()


def binary(data, size=None, shape=(1,)):
    """Returns the body and header of a request with binary data."""
    size = len(data) if size is None else size
    header = body(data=None, shape=shape, parameters={"binary_data_size": size})
    return header + data, {"Inference-Header-Content-Length": str(len(header))}


GOOD = b"\x04\x00\x00\x00good"


@pytest.mark.parametrize(
    "content, headers, said",
    [
        (b"", {}, "truncated"),
        (b"{}", {}, "missing required field `inputs`"),
        (b'{"more": ' + b"[" * 100_000, {}, "recursion depth"),
        (b'{"inputs": []}', {}, "must be one tensor, 'text'"),
        (body(name="input_ids"), {}, "must be one tensor, 'text'"),
        (body(datatype="FP32"), {}, "must be BYTES, not FP32"),
        (body(data=[1]), {}, "at `$.inputs[0].data[0]`"),
        (body(data=None), {}, "either data or binary_data_size"),
        (body(shape=[2]), {}, "its shape is [2], of 1 texts"),
        (body(shape=[1, 1, 1]), {}, "its shape is"),
        (body(shape=[0], data=[]), {}, "there is no text"),
        (body() + b"more", {}, "trailing characters"),
        (body() + b"more", {"Inference-Header-Content-Length": str(len(body()))}, "no binary_data_size"),
        (body(), {"Inference-Header-Content-Length": "9999"}, "more than the body has"),
        (body(), {"Inference-Header-Content-Length": "-1"}, "must be a number"),
        (*binary(GOOD, size=7), "not that of what follows"),
        (*binary(GOOD, size=True), "not that of what follows"),
        (*binary(GOOD[:-1]), "end within an element"),
        (*binary(GOOD[:3]), "end within an element"),
        (*binary(b"\xff\xff\xff\xffgood"), "end within an element"),
        (*binary(GOOD, shape=(2,)), "its shape is [2], of 1 texts"),
        (*binary(b"\x01\x00\x00\x00\xff"), "must be UTF-8"),
        (*binary(b"\x03\x00\x00\x00\xed\xa0\x80"), "must be UTF-8"),
    ],
)
def test_what_is_no_request_is_told_in_one_line(served, content, headers, said):
    answer = served.client.post(PATH, content=content, headers=headers)
    assert answer.status_code == 400 and said in error_of(answer)


def test_its_limits_are_those_of_predict(served):
    for texts in (["good"] * 1025, ["a" * 100_001]):
        answer = served.client.post(PATH, content=body(data=texts, shape=[len(texts)]))
        assert answer.status_code == 413 and "more than" in error_of(answer)

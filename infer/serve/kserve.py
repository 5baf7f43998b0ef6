"""The bodies of KServe's Open Inference Protocol v2, REST, with Triton's binary tensors.

Sources: kserve/open-inference-protocol, inference_rest.md; triton-inference-server, extension_binary_data.md.
The input is `text`, BYTES of shape [texts] or [texts, 1], UTF-8. The outputs are `probabilities`, FP32 of shape
[texts, labels], and `label`, BYTES of shape [texts], the most probable one of each text.
"""

import struct

import msgspec
from msgspec import UNSET, Struct, UnsetType

HEADER_LENGTH = "inference-header-content-length"
OUTPUTS = ("probabilities", "label")
EXTENSIONS = ["binary_tensor_data"]
# What Triton takes, and would mean another answer: refused, not passed over.
NOT_HERE = ("classification", "shared_memory_region", "sequence_id")
Parameters = dict[str, bool | int | float | str]


class InputTensor(Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[str | list[str]] | UnsetType = UNSET
    parameters: Parameters = {}


class RequestedOutput(Struct):
    name: str
    parameters: Parameters = {}


class InferRequest(Struct):
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] | UnsetType = UNSET
    id: str | UnsetType = UNSET
    parameters: Parameters = {}


class OutputTensor(Struct, omit_defaults=True):
    name: str
    datatype: str
    shape: list[int]
    data: list[str | float] | UnsetType = UNSET
    parameters: Parameters = {}


class InferResponse(Struct, omit_defaults=True):
    model_name: str
    outputs: list[OutputTensor]
    id: str | UnsetType = UNSET


class Tensor(Struct):
    name: str
    datatype: str
    shape: list[int]


class Properties(Struct):
    labels: list[str]


class ModelMetadata(Struct):
    name: str
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    properties: Properties


def describe(name, labels):
    """Returns the ModelMetadata of a classifier."""
    return ModelMetadata(
        name,
        "openvino",
        [Tensor("text", "BYTES", [-1])],
        [Tensor("probabilities", "FP32", [-1, len(labels)]), Tensor("label", "BYTES", [-1])],
        Properties(labels),
    )


def to_strings(data):
    """Returns the list of str in a binary BYTES tensor, each after its length; raises ValueError if it is none."""
    texts, start = [], 0
    while start < len(data):
        end = start + 4
        if end > len(data) or (end := end + struct.unpack_from("<I", data, start)[0]) > len(data):
            raise ValueError("input 'text': its binary data end within an element")
        texts.append(data[start + 4 : end].decode())
        start = end
    return texts


def to_bytes(texts):
    """Returns a binary BYTES tensor of a list of str."""
    elements = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def read_request(body, header_length):
    """Returns (InferRequest, list of its texts).

    Args:
      body: bytes, JSON with binary data after it.
      header_length: str, of the JSON, in bytes; or None, if it is the whole body.
    Raises: ValueError with what is wrong; msgspec.DecodeError is one.
    """
    if header_length is not None and not (header_length.isascii() and header_length.isdigit()):
        raise ValueError(f"{HEADER_LENGTH}: must be a number of bytes")
    length = len(body) if header_length is None else int(header_length)
    if length > len(body):
        raise ValueError(f"{HEADER_LENGTH}: is more than the body has")
    request = msgspec.json.decode(memoryview(body)[:length], type=InferRequest)
    if [tensor.name for tensor in request.inputs] != ["text"]:
        raise ValueError("inputs: must be one tensor, 'text'")
    (tensor,) = request.inputs
    if tensor.datatype != "BYTES":
        raise ValueError(f"input 'text': its datatype must be BYTES, not {tensor.datatype}")
    parameters = [request.parameters, tensor.parameters]
    for output in () if request.outputs is UNSET else request.outputs:
        if output.name not in OUTPUTS:
            raise ValueError(f"output '{output.name}': there are {' and '.join(OUTPUTS)}")
        parameters.append(output.parameters)
    for name in NOT_HERE:
        if any(name in given for given in parameters):
            raise ValueError(f"parameter '{name}': is not supported")
    size = tensor.parameters.get("binary_data_size")
    if (size is None) == (tensor.data is UNSET):
        raise ValueError("input 'text': must have either data or binary_data_size")
    if size is None:
        if length != len(body):
            raise ValueError("input 'text': has no binary_data_size for what follows the JSON")
        texts = [text for row in tensor.data for text in ([row] if isinstance(row, str) else row)]
    else:
        if size is True or size != len(body) - length:
            raise ValueError("input 'text': its binary_data_size is not that of what follows the JSON")
        try:
            texts = to_strings(bytes(body[length:]))
        except UnicodeDecodeError as error:
            raise ValueError("input 'text': must be UTF-8") from error
    if tensor.shape not in ([len(texts)], [len(texts), 1]):
        raise ValueError(f"input 'text': its shape is {tensor.shape}, of {len(texts)} texts")
    if not texts:
        raise ValueError("input 'text': there is no text in it")
    return request, texts


def write_response(request, name, labels, probabilities):
    """Returns (bytes of the body, length of its JSON or None if that is all of it).

    Args:
      request: InferRequest.
      name: str, the model's.
      labels: list of str.
      probabilities: float32 array (texts, labels).
    """
    if request.outputs is UNSET:
        wanted = {output: {} for output in OUTPUTS}
    else:
        wanted = {output.name: output.parameters for output in request.outputs}
    all_binary = request.parameters.get("binary_data_output", False)
    tensors, binary = [], []
    for output, parameters in wanted.items():
        if output == "label":
            data = [labels[i] for i in probabilities.argmax(1)]
            tensor = OutputTensor(output, "BYTES", [len(data)])
        else:
            data = probabilities
            tensor = OutputTensor(output, "FP32", list(data.shape))
        if parameters.get("binary_data", all_binary):
            binary.append(to_bytes(data) if output == "label" else data.astype("<f4").tobytes())
            tensor.parameters = {"binary_data_size": len(binary[-1])}
        else:
            tensor.data = data if output == "label" else data.ravel().tolist()
        tensors.append(tensor)
    header = msgspec.json.encode(InferResponse(name, tensors, request.id))
    return b"".join([header, *binary]), len(header) if binary else None

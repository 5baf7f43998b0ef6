"""The bodies of requests and answers, of which the OpenAPI document is made too; KServe's are in kserve.py."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

ERROR_TYPES = {401: "unauthorized", 424: "backend", 500: "internal", 503: "overloaded"}  # others: validation


class Prediction(Struct):
    label: str
    score: float


class Word(Struct):
    """A word that was read: without it, `label` is the most probable, and the whole text's label has `score`."""

    start: int
    end: int
    label: str
    score: float


class Explanation(Struct):
    """What the words did: `words` of the text's `total_words` were read, up to character `end`."""

    predictions: list[Prediction]
    words: list[Word]
    total_words: int
    end: int


class Info(Struct):
    model_id: str
    model_type: dict[str, dict[str, dict[str, str | int]]]
    max_input_length: int
    max_client_batch_size: int
    max_input_characters: int
    max_body_bytes: int
    precisions: list[str]
    version: str


class Error(Struct):
    error: str
    error_type: str


class Ready(Struct):
    name: str
    ready: bool


class Live(Struct):
    live: bool


class ServerMetadata(Struct):
    name: str
    version: str
    extensions: list[str]


def request_types(limits, precisions):
    """Returns the types of the bodies of /predict and /explain."""
    Text = Annotated[str, Meta(max_length=limits.characters)]
    One = Annotated[list[Text], Meta(min_length=1, max_length=1)]
    Precision = Literal[*precisions]

    class PredictRequest(Struct):
        """One text, or several, each by itself or in a list; with truncate false, none that would be cut."""

        inputs: Text | Annotated[list[Text | One], Meta(min_length=1, max_length=limits.texts)]
        truncate: bool | None = None
        precision: Precision = precisions[0]

    class ExplainRequest(Struct):
        inputs: Text
        precision: Precision = precisions[0]

    return PredictRequest, ExplainRequest


def refusal(status, message):
    """Returns the body, as bytes, of an answer that is an error: one line."""
    return msgspec.json.encode(Error(" ".join(message.split()), ERROR_TYPES.get(status, "validation")))

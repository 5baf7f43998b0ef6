"""The OpenAPI document, made of the types that read and write the bodies."""

import msgspec

from infer.serve import bodies, kserve

# What any request with a body may get instead of an answer, with what it means.
REFUSED = {
    400: "The body is broken",
    401: "The token is missing or wrong",
    404: "There is no such model",
    408: "The request did not come in time",
    413: "The body, or what is in it, is too long",
    415: "The body is compressed",
    422: "The body is JSON of another form",
    424: "The classifier computes NaN",
    503: "Too many texts wait, or the answer takes too long: try again after the seconds in Retry-After",
}


def content(schema, media_type="application/json"):
    return {"content": {media_type: {"schema": schema}}}


def operation(summary, answer, refused, body=None, parameters=()):
    """Returns an Operation Object; `answer` and `body` are content."""
    error = content({"$ref": "#/components/schemas/Error"})
    responses = {"200": {"description": "The answer"} | answer}
    responses |= {str(status): {"description": REFUSED[status]} | error for status in refused}
    found = {"summary": summary, "responses": responses}
    if body:
        found["requestBody"] = {"required": True} | body
    if parameters:
        found["parameters"] = list(parameters)
    return found


def describe_api(PredictRequest, ExplainRequest, name, limits, guarded):
    """Returns the document, as a dict.

    Args:
      PredictRequest, ExplainRequest: of bodies.request_types.
      name: str, the model's.
      limits: of __main__.LIMITS, by attributes.
      guarded: bool, whether a token is asked for.
    """
    types = [PredictRequest, ExplainRequest, list[bodies.Prediction], list[list[bodies.Prediction]]]
    types += [bodies.Explanation, bodies.Info, bodies.Error, bodies.Ready, bodies.Live, bodies.ServerMetadata]
    types += [kserve.InferRequest, kserve.InferResponse, kserve.ModelMetadata]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    predict, explain, one, several, explanation, info, _, ready, live, server, asked, answered, metadata = schemas
    heavy = [400, 408, 413, 415, 422, 424, 503]
    model = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "enum": [name]}}
    header = {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "Bytes of the JSON, if binary tensors follow it",
        "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    }
    text = {"type": "string"}
    infer = content(answered) | {}
    infer["content"]["application/octet-stream"] = {"schema": {}}
    open_paths = {
        "/health": operation("Is it there?", {}, []),
        "/v2/health/live": operation("KServe: is it there?", content(live), []),
        "/v2/health/ready": operation("KServe: does it answer?", content(live), []),
    }
    paths = {
        "/": operation("The page", content(text, "text/html"), []),
        "/docs": operation("This document, to read", content(text, "text/html"), []),
        "/openapi.json": operation("This document", content({"type": "object"}), []),
        "/metrics": operation("Metrics, for Prometheus", content(text, "text/plain"), []),
        "/info": operation("The model, and the limits", content(info), []),
        "/v2": operation("KServe: the server", content(server), []),
        "/v2/models/{name}": operation("KServe: the model", content(metadata), [404], parameters=[model]),
        "/v2/models/{name}/ready": operation("KServe: does it answer?", content(ready), [404], parameters=[model]),
    }
    posts = {
        "/predict": operation(
            "Labels with their scores, the most probable first, as text-embeddings-inference",
            content({"anyOf": [one, several]}),
            heavy,
            content(predict),
        ),
        "/explain": operation(
            "What each word did: the answers without it", content(explanation), heavy, content(explain)
        ),
        "/v2/models/{name}/infer": operation(
            "KServe: texts to probabilities and labels; binary tensors too, as Triton",
            infer,
            [404, *heavy],
            content(asked),
            [model, header],
        ),
    }
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": f"Classifier {name}",
            "version": limits.version,
            "description": f"A body has at most {limits.body} bytes, a request {limits.texts} texts of at most "
            f"{limits.characters} characters, and {limits.seconds:g} seconds.",
        },
        "paths": {path: {"get": found} for path, found in (open_paths | paths).items()}
        | {path: {"post": found} for path, found in posts.items()},
        "components": {"schemas": components},
    }
    if guarded:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        error = content({"$ref": "#/components/schemas/Error"})
        for found in (*paths.values(), *posts.values()):
            found["security"] = [{"token": []}]
            found["responses"]["401"] = {"description": REFUSED[401]} | error
    return document

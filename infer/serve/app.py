"""The application: text-embeddings-inference's /predict, KServe's v2, metrics, and the page."""

import asyncio
import base64
import functools
import hashlib
import hmac
import re
import time
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from infer.classifier import FEW
from infer.serve import kserve
from infer.serve.batcher import Batcher, Full
from infer.serve.bodies import Explanation, Info, Live, Prediction, Ready, ServerMetadata, Word, refusal, request_types
from infer.serve.openapi import describe_api
from infer.serve.words import count_read, find_words, without_each

HERE = Path(__file__).parent
OPEN = ("/health", "/v2/health/live", "/v2/health/ready")  # also without the token
CHARACTERS_PER_TOKEN = 3  # fewer than in English, which has 4 to 5: an estimate that had better be too high
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ENCODER = msgspec.json.Encoder()


class Metrics:
    """What /metrics tells, of one application."""

    def __init__(self):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        new = {"registry": self.registry}
        self.requests = Counter(
            "infer_requests", "Requests by path and status; 499: the client left before", ["path", "status"], **new
        )
        self.seconds = Histogram(
            "infer_request_seconds", "From a request to its answer", ["path"], buckets=SECONDS, **new
        )
        self.texts = Counter("infer_texts", "Texts predicted", **new)
        self.batch_texts = Histogram(
            "infer_batch_texts", "Texts of a batch", buckets=(1, 2, 4, 8, 16, 32, 64, 128), **new
        )
        self.batch_seconds = Histogram("infer_batch_seconds", "To compute a batch", buckets=SECONDS, **new)
        self.queue = Gauge("infer_queue_texts", "Texts that wait for a batch", **new)

    def batch(self, texts, seconds):
        self.texts.inc(texts)
        self.batch_texts.observe(texts)
        self.batch_seconds.observe(seconds)


class Guard:
    """ASGI middleware: asks for the token, counts and times what is answered.

    The token is taken as `Authorization: Bearer TOKEN`, or as the password of Basic, which a browser asks for.
    """

    def __init__(self, app, token, metrics):
        self.app, self.metrics = app, metrics
        self.token = token and token.encode()

    def admits(self, scope):
        if self.token is None or scope["path"] in OPEN:
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, credentials = given.partition(b" ")
        if scheme.lower() == b"basic":
            try:
                credentials = base64.b64decode(credentials, validate=True).partition(b":")[2]
            except ValueError:
                return False
        elif scheme.lower() != b"bearer":
            return False
        return hmac.compare_digest(credentials.strip(), self.token)

    async def __call__(self, scope, receive, send):
        start, status = time.perf_counter(), "none"

        async def noted(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        if self.admits(scope):
            await self.app(scope, receive, noted)
        else:
            answer = refuse(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})
            # A header of its own, as browsers don't look for it behind the other.
            answer.headers.append("WWW-Authenticate", 'Basic realm="the token is the password"')
            await answer(scope, receive, noted)
        path = scope["route"].path if "route" in scope else "none"
        self.metrics.requests.labels(path, status).inc()
        self.metrics.seconds.labels(path).observe(time.perf_counter() - start)


def respond(value, headers=None):
    return Response(ENCODER.encode(value), headers=headers, media_type="application/json")


def refuse(status, message, headers=None):
    return Response(refusal(status, message), status, headers, "application/json")


def on_http_error(request, error):
    return refuse(error.status_code, error.detail, error.headers)


def on_disconnect(request, error):
    return Response(status_code=499)  # which no one will read


def on_bug(request, error):  # the server logs the traceback
    return refuse(500, "the server has made a mistake: its log says which")


def page_of(path):
    """Returns a function that answers with an HTML file, whose own scripts and styles are all that may run in it."""
    html = path.read_text(encoding="utf-8")
    hashes = {
        tag: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for tag in ("script", "style")
        for text in re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    }
    policy = f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; connect-src 'self'; "
    headers = {
        "Content-Security-Policy": policy
        + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }

    async def page(request):
        return Response(html, headers=headers, media_type="text/html")

    return page


async def read_body(request, limit):
    """Returns the body, as bytes; raises HTTPException as soon as it is longer than `limit` bytes."""
    too_long = HTTPException(413, f"the body is longer than {limit} bytes")
    if "content-encoding" in request.headers:
        raise HTTPException(415, "the body is compressed, which is not supported")
    if int(request.headers.get("content-length", 0)) > limit:
        raise too_long
    chunks, length = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        length += len(chunk)
        if length > limit:
            raise too_long
    return b"".join(chunks)


async def answer(request, batcher, texts):
    """Returns (probabilities of `texts`, Server-Timing header), unless the client leaves before: ClientDisconnect."""
    start = time.perf_counter()
    try:
        future = batcher.submit(texts)
    except Full:
        raise HTTPException(503, "too many texts are waiting: try again", {"Retry-After": "1"}) from None
    gone = asyncio.ensure_future(request.receive())  # the body has been read, so that only the end can come
    try:
        await asyncio.wait((future, gone), return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise ClientDisconnect
        probabilities, waited = future.result()
    except FloatingPointError as error:
        raise HTTPException(424, str(error)) from error
    except TimeoutError:
        raise HTTPException(503, "no replica has answered: try again", {"Retry-After": "1"}) from None
    finally:
        gone.cancel()
        future.cancel()
    seconds = time.perf_counter() - start - waited
    return probabilities, {"Server-Timing": f"queue;dur={1000 * waited:.2f}, predict;dur={1000 * seconds:.2f}"}


def rank(labels, row):
    """Returns a list of Prediction, the most probable first."""
    return [Prediction(labels[i], score) for i, score in sorted(enumerate(row), key=lambda pair: -pair[1])]


def warm_up(classifier):
    """Compiles a Classifier before the first request comes; raises as its predict_window."""
    for few_or_many in ([""], [""] * (FEW + 1)):
        classifier.predict_window(few_or_many)


def build_app(classifiers, name, limits, token=None, predict=None, engines=1):
    """Returns the ASGI application; to be called where its event loop runs.

    Args:
      classifiers: {precision: Classifier} of one model; the first is for those who name none.
      name: str, the model's, of KServe's protocol.
      limits: of __main__.LIMITS, by attributes.
      token: str, which all but health asks for; or None.
      predict: function of (precision, list of str) that returns an array (texts, labels), instead of the classifiers'.
      engines: int, batches that it computes at once.
    """
    metrics = Metrics()
    first = next(iter(classifiers.values()))
    labels, max_seq_length = first.labels, first.max_seq_length
    PredictRequest, ExplainRequest = request_types(limits, list(classifiers))

    def tokens_of(text):
        return min(len(text) // CHARACTERS_PER_TOKEN + 2, max_seq_length)

    batchers = {
        precision: Batcher(
            functools.partial(predict, precision) if predict else classifier.predict_window,
            engines=engines,
            texts=limits.batch_texts,
            tokens=limits.batch_tokens,
            tokens_of=tokens_of,
            queue=limits.queue,
            wait=limits.wait / 1000,
            observe=metrics.batch,
        )
        for precision, classifier in classifiers.items()
    }
    metrics.queue.set_function(lambda: sum(batcher.waiting for batcher in batchers.values()))

    def decode(body, decoder):
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            raise HTTPException(422, str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HTTPException(400, f"the body is not JSON in UTF-8: {error}") from error

    predict_decoder, explain_decoder = map(msgspec.json.Decoder, (PredictRequest, ExplainRequest))

    async def predict_texts(request):
        asked = decode(await read_body(request, limits.body), predict_decoder)
        inputs = asked.inputs
        texts = [inputs] if isinstance(inputs, str) else [text if isinstance(text, str) else text[0] for text in inputs]
        if asked.truncate is False:
            for i, text in enumerate(texts):
                if count_read(first, text, words := find_words(text)) < len(words):
                    raise HTTPException(422, f"text {i} is longer than {max_seq_length} tokens, and truncate is false")
        probabilities, headers = await answer(request, batchers[asked.precision], texts)
        answers = [rank(labels, row) for row in probabilities.tolist()]
        return respond(answers[0] if isinstance(inputs, str) else answers, headers)

    async def explain(request):
        asked = decode(await read_body(request, limits.body), explain_decoder)
        text, words = asked.inputs, find_words(asked.inputs)
        total = len(words)
        del words[count_read(first, text, words) :]
        batcher = batchers[asked.precision]
        probabilities, headers = await answer(request, batcher, [text, *without_each(text, words)])
        whole, *rest = probabilities
        best = whole.argmax()
        found = [
            Word(start, end, labels[row.argmax()], float(row[best]))
            for (start, end), row in zip(words, rest, strict=True)
        ]
        end = words[-1][1] if words else 0
        return respond(Explanation(rank(labels, whole.tolist()), found, total, end), headers)

    def check_name(request):
        if request.path_params["name"] != name:
            raise HTTPException(404, f"there is no such model: there is {name}")

    async def model_infer(request):
        check_name(request)
        body = await read_body(request, limits.body)
        try:
            asked, texts = kserve.read_request(body, request.headers.get(kserve.HEADER_LENGTH))
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, str(error)) from error
        if len(texts) > limits.texts:
            raise HTTPException(413, f"more than {limits.texts} texts")
        if max(map(len, texts)) > limits.characters:
            raise HTTPException(413, f"a text has more than {limits.characters} characters")
        probabilities, headers = await answer(request, batchers[next(iter(batchers))], texts)
        body, header_length = kserve.write_response(asked, name, labels, probabilities)
        if header_length is None:
            return Response(body, headers=headers, media_type="application/json")
        headers[kserve.HEADER_LENGTH] = str(header_length)
        return Response(body, headers=headers, media_type="application/octet-stream")

    metadata = ENCODER.encode(kserve.describe(name, labels))

    async def model_metadata(request):
        check_name(request)
        return Response(metadata, media_type="application/json")

    async def model_ready(request):
        check_name(request)
        return respond(Ready(name, True))

    async def server_metadata(request):
        return respond(ServerMetadata("infer", limits.version, kserve.EXTENSIONS))

    async def server_live(request):
        return respond(Live(True))

    async def health(request):
        return Response()

    async def info(request):
        ids = {"id2label": {str(i): label for i, label in enumerate(labels)}}
        ids["label2id"] = {label: i for i, label in enumerate(labels)}
        return respond(
            Info(
                name,
                {"classifier": ids},
                max_seq_length,
                limits.texts,
                limits.characters,
                limits.body,
                list(classifiers),
                limits.version,
            )
        )

    async def metrics_text(request):
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(request):
        return Response(document, media_type="application/json")

    document = ENCODER.encode(describe_api(PredictRequest, ExplainRequest, name, limits, token is not None))
    routes = [
        Route("/predict", predict_texts, methods=["POST"]),
        Route("/explain", explain, methods=["POST"]),
        Route("/v2/models/{name}/infer", model_infer, methods=["POST"]),
        Route("/v2/models/{name}/ready", model_ready),
        Route("/v2/models/{name}", model_metadata),
        Route("/v2/health/live", server_live),
        Route("/v2/health/ready", server_live),
        Route("/v2", server_metadata),
        Route("/health", health),
        Route("/info", info),
        Route("/metrics", metrics_text),
        Route("/openapi.json", openapi),
        Route("/docs", page_of(HERE / "docs.html")),
        Route("/", page_of(HERE / "page.html")),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, metrics=metrics)],
        exception_handlers={HTTPException: on_http_error, ClientDisconnect: on_disconnect, Exception: on_bug},
    )
    app.router.redirect_slashes = False
    app.state.close = lambda: [batcher.close() for batcher in batchers.values()]
    return app

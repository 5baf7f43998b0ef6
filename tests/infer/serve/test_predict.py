"""/predict, as text-embeddings-inference has it, and what stands beside it."""

import asyncio
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from modules import fails, run
from serving import FP32, error_of, serving
from small import LENGTH, random_texts, save, save_broken
from waiting import LONG

pytestmark = pytest.mark.process
TEXTS = random_texts(300)
HARD = ["", " ", "\x00", "good\n\n[SEP] film", "GOOD Fílm!", "很好good", "\U0001f600", "ﬁ", "a" * 300, "good " * 100]


def scores(answer, labels):
    """Returns the probabilities, in the labels' order, of one text's answer, which must be sorted."""
    found = [prediction["score"] for prediction in answer]
    assert found == sorted(found, reverse=True)
    by_label = {prediction["label"]: prediction["score"] for prediction in answer}
    return [by_label[label] for label in labels]


def test_a_text_is_answered_with_its_labels_the_most_probable_first(served, model):
    for text in TEXTS[:20] + HARD:
        (expected,) = model.predict([text])
        answer = served.predict(text)
        np.testing.assert_allclose(scores(answer, model.labels), expected, atol=FP32)
        assert answer[0]["label"] == model.labels[expected.argmax()]


def test_several_texts_are_answered_in_their_order_in_both_forms(served, model):
    expected = np.array(list(model.predict(TEXTS + HARD)))
    for inputs in (TEXTS + HARD, [[text] for text in TEXTS + HARD]):
        answers = served.predict(inputs)
        found = np.array([scores(answer, model.labels) for answer in answers])
        np.testing.assert_allclose(found, expected, atol=FP32)


def test_clients_at_once_get_their_own_answers_from_shared_batches(classifier, model):
    expected = model.predict_window(TEXTS)

    def ask(i):
        with httpx.Client(base_url=served.url, timeout=LONG, trust_env=False) as client:
            answer = client.post("/predict", json={"inputs": TEXTS[i]}).json()
            several = client.post("/predict", json={"inputs": TEXTS[i : i + 40]}).json()
        return [scores(predictions, model.labels) for predictions in (answer, *several)]

    with serving(classifier) as served, ThreadPoolExecutor(32) as pool:
        for i, found in enumerate(pool.map(ask, range(200))):
            np.testing.assert_allclose(found, expected[[i, *range(i, min(i + 40, 300))]], atol=FP32)
        texts = sum(1 + len(TEXTS[i : i + 40]) for i in range(200))
        assert served.metric("infer_texts_total") == texts
        assert served.metric("infer_batch_texts_sum") == texts
        assert served.metric("infer_batch_texts_count") < 400, "there are fewer batches than requests"
        assert served.metric('infer_requests_total{path="/predict",status="200"}') == 400
        assert served.metric("infer_request_seconds_count") >= 400
        assert served.metric("infer_queue_texts") == 0


def test_any_labels_are_answered(tmp_path):
    labels = ['it\'s "so, so"', "<&>", "很好", "label"]
    save(tmp_path / "many.xml", 1, labels)
    with serving(tmp_path / "many.xml") as served:
        assert {prediction["label"] for prediction in served.predict("good")} == set(labels)
        info = served.client.get("/info").json()
        assert info["model_id"] == "many" and info["max_input_length"] == LENGTH
        assert info["model_type"]["classifier"]["id2label"] == {str(i): label for i, label in enumerate(labels)}


@pytest.mark.parametrize(
    "body, status, said",
    [
        (b"", 400, "not JSON"),
        (b'{"inputs": "good"', 400, "not JSON"),
        (b'{"inputs": "good"} {}', 400, "not JSON"),
        (b'{"inputs": "\xff"}', 400, "not JSON in UTF-8"),
        (b'{"inputs": "\xed\xa0\x80"}', 400, "not JSON in UTF-8"),
        (b'{"inputs": "\\ud800"}', 400, "not JSON in UTF-8"),
        (b'{"inputs": "\\udc00 good"}', 400, "not JSON in UTF-8"),
        (b'{"inputs": "good", "more": ' + b"[" * 100_000, 400, "not JSON"),
        (b'{"inputs": "good", "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "not JSON"),
        (b"{}", 422, "missing required field `inputs`"),
        (b"[]", 422, "Expected `object`"),
        (b"null", 422, "Expected `object`"),
        (b'{"inputs": null}', 422, "at `$.inputs`"),
        (b'{"inputs": 5}', 422, "at `$.inputs`"),
        (b'{"inputs": []}', 422, "length >= 1"),
        (b'{"inputs": ["good", 5]}', 422, "at `$.inputs[1]`"),
        (b'{"inputs": [["a text", "and its pair"]]}', 422, "length <= 1"),
        (b'{"inputs": "good", "precision": "fp64"}', 422, "Invalid enum value 'fp64' - at `$.precision`"),
        (json.dumps({"inputs": ["good"] * 1025}).encode(), 422, "length <= 1024"),
        (json.dumps({"inputs": "a" * 100_001}).encode(), 422, "length <= 100000"),
        (json.dumps({"inputs": "good " * LENGTH, "truncate": False}).encode(), 422, "truncate is false"),
    ],
)
def test_what_is_no_request_is_told_in_one_line(served, body, status, said):
    for path in ["/predict"] + ["/explain"] * (status == 400):
        answer = served.client.post(path, content=body)
        assert answer.status_code == status and said in error_of(answer)
    assert served.predict("good")


def test_a_text_that_fits_is_answered_without_truncation_too(served):
    text = "good " * (LENGTH - 2)
    assert served.predict(text, truncate=False) == served.predict(text) == served.predict(text + "bad", truncate=True)


def test_paths_and_methods_that_there_are_not(served):
    for method, path, status in [("GET", "/predict", 405), ("POST", "/health", 405), ("GET", "/docs/", 404)]:
        assert error_of(answer := served.client.request(method, path)) and answer.status_code == status
    assert served.client.request("HEAD", "/health").status_code == 200


def test_a_compressed_body_is_refused(served):
    answer = served.client.post("/predict", content=b"...", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415 and "compressed" in error_of(answer)


def test_words_are_left_out_one_by_one(served, model):
    text = "It is  not a GOOD film, a\nthing of beauty 很好!"
    found = served.client.post("/explain", json={"inputs": text}).json()
    words = [text[word["start"] : word["end"]] for word in found["words"]]
    assert words == ["It", "is", "not", "a", "GOOD", "film,", "a", "thing", "of", "beauty", "很", "好", "!"]
    (whole,) = model.predict([text])
    np.testing.assert_allclose(scores(found["predictions"], model.labels), whole, atol=FP32)
    left = model.predict_window([text[: word["start"]] + text[word["end"] :] for word in found["words"]])
    np.testing.assert_allclose([word["score"] for word in found["words"]], left[:, whole.argmax()], atol=FP32)
    assert [word["label"] for word in found["words"]] == [model.labels[i] for i in left.argmax(1)]
    assert np.ptp(left[:, 0]) > 0.05, "the words matter"
    assert found["total_words"] == 13 and found["end"] == len(text)


def test_of_a_long_text_only_what_is_read_is_explained(served, model):
    text = "good film, " * LENGTH
    found = served.client.post("/explain", json={"inputs": text}).json()
    assert (found["total_words"], len(found["words"])) == (2 * LENGTH, 15)  # three WordPieces for two words: 22 in all
    assert text[: found["end"]] == "good film, " * 7 + "good"
    read, cut = model.predict_window([text[: found["end"]], text[: found["end"] - 5]])
    np.testing.assert_allclose(read, model.predict_window([text])[0], atol=FP32)
    assert np.abs(read - cut).max() > 1e-4


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_text_without_words_has_none_to_explain(served, text):
    found = served.client.post("/explain", json={"inputs": text}).json()
    assert found["words"] == [] and (found["total_words"], found["end"]) == (0, 0) and len(found["predictions"]) == 2


def test_a_classifier_that_computes_nan_says_so(tmp_path):
    save_broken(tmp_path / "classifier.xml")
    with serving(tmp_path / "classifier.xml") as served:
        for _ in range(2):
            answer = served.client.post("/predict", json={"inputs": "dull"})
            assert answer.status_code == 424 and "NaN or infinite" in error_of(answer)


def test_the_token_guards_all_but_health(classifier, tmp_path):
    token = "0123456789abcdef"
    (tmp_path / "token").write_text(token + "\n")
    paths = "/", "/docs", "/openapi.json", "/metrics", "/info", "/v2", "/v2/models/classifier", "/no/such/path"
    with serving(classifier, "--token_file", tmp_path / "token", "--host", "0.0.0.0", token=token) as served:
        url = f"http://127.0.0.1:{served.port}"
        with httpx.Client(base_url=url, trust_env=False) as client:
            for path in ("/health", "/v2/health/live", "/v2/health/ready"):
                assert client.get(path).status_code == 200
            wrong = [
                {},
                {"Authorization": token},
                *({"Authorization": f"Bearer {other}"} for other in ("0", token[:-1], token + "0", "0123456789abcdeF")),
                {"Authorization": "Basic %"},
            ]
            for headers in wrong:
                for answer in [client.get(path, headers=headers) for path in paths] + [
                    client.post("/predict", json={"inputs": "good"}, headers=headers)
                ]:
                    assert answer.status_code == 401 and "token" in error_of(answer)
                    assert "Bearer" in answer.headers["www-authenticate"]
            assert client.get("/info", auth=("any", token)).status_code == 200
            assert client.get("/info", headers={"Authorization": f"bearer {token}"}).status_code == 200
        assert served.client.get(url + "/info").status_code == 200


@pytest.mark.parametrize("content", ["", "short", "two words of a length", "a" * 16 + "\nb", "\xff" * 20])
def test_a_file_that_holds_no_token_is_named(classifier, tmp_path, content):
    (tmp_path / "token").write_text(content)
    assert "must hold one token" in fails(*COMMAND, classifier, "--token_file", tmp_path / "token")
    assert "No such file" in fails(*COMMAND, classifier, "--token_file", tmp_path / "none")


COMMAND = "-m", "infer", "serve", "-m"


@pytest.mark.parametrize("host, there", [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])
def test_others_are_let_in_only_with_a_token_or_when_told(classifier, host, there):
    assert "add --token_file, or --insecure" in fails(*COMMAND, classifier, "--host", host, "--port", 0)
    with serving(classifier, "--host", host, "--insecure") as served:
        answer = httpx.post(f"http://{there}:{served.port}/predict", json={"inputs": "good"}, trust_env=False)
        assert answer.status_code == 200


def test_where_it_cannot_listen_is_told(served, classifier, tmp_path):
    assert "cannot listen there: Address already in use" in fails(*COMMAND, classifier, "--port", served.port)
    assert "cannot listen there" in fails(*COMMAND, classifier, "--host", "no.such.host.invalid")
    assert "--port 70000: must be less than 65536" in fails(*COMMAND, classifier, "--port", 70_000)
    assert "no such file" in fails(*COMMAND, tmp_path / "classifier.xml", "--port", 0)
    assert "ray is not in this environment" in fails(*COMMAND, classifier, "--port", 0, "--engine", "ray")
    assert "are for --engine ray" in run(*COMMAND, classifier, "--replicas", 2).stderr
    assert "--queue 10: must be at least" in fails(*COMMAND, classifier, "--port", 0, "--queue", 10)
    assert "may open" in fails(*COMMAND, classifier, "--port", 0, "--connections", 100_000_000)


def test_the_page_and_the_document_load_nothing_from_elsewhere(served):
    for path in ("/", "/docs"):
        answer = served.client.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert "//" not in answer.text.replace("http://www.w3.org", "") or "src=" not in answer.text


def test_a_file_that_is_replaced_leaves_the_old_one_answering(classifier, tmp_path):
    """Also when it is written over in place, as by cp: the weights are not read from the file while it serves."""
    path = tmp_path / "classifier.xml"
    for suffix in (".xml", ".bin"):
        shutil.copy(classifier.with_suffix(suffix), path.with_suffix(suffix))
    labels = ["Negative", "Positive"]
    with serving(path) as served:

        def answers():
            return np.array([scores(answer, labels) for answer in served.predict(TEXTS)])

        def is_as_before():
            return np.abs(answers() - before).max() <= FP32

        before = answers()

        with open(path.with_suffix(".bin"), "r+b") as file:
            file.write(bytes(path.with_suffix(".bin").stat().st_size))
        assert is_as_before()
        with open(path.with_suffix(".bin"), "r+b") as file:
            file.truncate(0)
        assert is_as_before()
        save(path, 5)
        assert is_as_before()
    with serving(path) as served:
        assert not is_as_before(), "the new one"


def test_asyncio_clients_share_a_connection_in_turns(served, model):
    async def ask():
        async with httpx.AsyncClient(base_url=served.url, timeout=LONG, trust_env=False) as client:
            return await asyncio.gather(*(client.post("/predict", json={"inputs": text}) for text in TEXTS))

    found = [scores(answer.json(), model.labels) for answer in asyncio.run(ask())]
    np.testing.assert_allclose(found, model.predict_window(TEXTS), atol=FP32)

"""One IR that is the classifier: texts in, probabilities out, in order, however they are batched."""

import ast
import itertools
import json
import os
import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino as ov
import pytest
from modules import fails, run
from small import HIDDEN, LENGTH, WORDS, mounted, random_texts, save, save_broken

from infer import Classifier
from infer.classifier import FEW, GATHERED, HINTS, Call
from infer.ir import FP32, save_classifier
from infer.text.files import sha256_of
from infer.text.long import LONG, MAX_WINDOWS
from infer.text.tokenizer import MAX_CHARACTERS, WINDOW


@pytest.mark.parametrize("hint", ["throughput", "latency"])
def test_probabilities_are_those_of_each_text_alone_and_in_order(classifier, hint):
    texts = random_texts(WINDOW + 100)
    model = Classifier(classifier, hint=hint)
    together = np.array(list(model.predict(texts)))
    assert together.shape == (len(texts), 2) and together.dtype == np.float32
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-6)
    some = range(0, len(texts), 50)
    alone = np.array([next(model.predict([texts[i]])) for i in some])
    np.testing.assert_allclose(together[some], alone, atol=1e-6)
    assert np.ptp(together[:, 0]) > 0.5, "the random classifier tells texts apart"


def test_texts_are_read_a_window_at_a_time(classifier):
    read = itertools.count()
    answers = Classifier(classifier).predict(f"good {next(read)}" for _ in iter(int, 1))
    next(answers)
    assert next(read) == WINDOW


@pytest.mark.parametrize("count, size", [(1, 1), (8, 4), (32, 4), (64, 8), (96, 32), (WINDOW, 32)])
def test_few_texts_are_in_small_batches_of_one_length_and_many_in_large_ones(classifier, count, size):
    batches = [features[1] for _, features in Classifier(classifier).batches(random_texts(count))]
    assert {len(mask) for mask in batches} == {size}
    assert len(batches) < 4 or np.mean([mask.mean() for mask in batches]) > 0.8, "much of it is padding"


def test_long_texts_are_cut_as_in_training(classifier):
    model = Classifier(classifier)
    kept = " ".join(["good"] * (LENGTH - 2))
    exact, longer, empty = model.predict([kept, kept + " bad" * 1000, ""])
    np.testing.assert_array_equal(exact, longer)
    assert not np.array_equal(exact, empty)


def test_a_review_of_ten_million_characters_is_cut_too(classifier):
    model = Classifier(classifier)
    for long in ("good film " * 1_000_000, "a" * 10_000_000, "ü" * 10_000_000, " " * 10_000_000):
        start = " ".join(long[:1000].split())
        answer, expected = model.predict([long, start])
        np.testing.assert_array_equal(answer, expected)


def test_windows_of_a_long_text_are_predicted_as_texts_and_their_logarithms_averaged(classifier):
    room = LENGTH - 2
    words = random_texts(200)
    words = [text.split() for text in words] + [[*itertools.chain.from_iterable(map(str.split, words))]]
    texts = [" ".join(some) for some in words]
    model = Classifier(classifier, long="windows")
    answers = model.predict_window(texts)
    cut = Classifier(classifier)
    assert [*cut.lengths(texts[:-1])] == [*map(len, words[:-1])], "a WordPiece each"
    for some, answer in zip(words, answers, strict=True):
        starts = {0}
        if len(some) > room:
            count = min(MAX_WINDOWS, -(-len(some) // room))
            last = min(len(some), MAX_WINDOWS * room) - room
            starts = {last * i // (count - 1) for i in range(count)}
        logs = np.log(cut.predict_window([" ".join(some[i : i + room]) for i in sorted(starts)]).astype(float)).mean(0)
        np.testing.assert_allclose(answer, np.exp(logs) / np.exp(logs).sum(), atol=1e-6)
    turned = np.random.default_rng(0).permutation(len(texts))
    np.testing.assert_allclose(model.predict_window([texts[i] for i in turned]), answers[turned], atol=1e-6)


def test_head_and_tail_are_predicted_as_one_text(classifier):
    words = [text.split() for text in random_texts(200)]
    kept = [some if len(some) < LENGTH - 1 else some[:5] + some[-17:] for some in words]
    answers, expected = (
        Classifier(classifier, long=long).predict_window([*map(" ".join, some)])
        for long, some in (("head_tail", words), ("cut", kept))
    )
    np.testing.assert_allclose(answers, expected, atol=1e-6)


def test_what_is_not_longer_is_answered_alike_to_the_bit(classifier):
    texts = ["", "good " * (LENGTH - 2), *(text for text in random_texts(200) if len(text.split()) < LENGTH - 1)]
    cut, *others = (Classifier(classifier, long=long).predict_window(texts) for long in LONG)
    for other in others:
        np.testing.assert_array_equal(other, cut)
    model = Classifier(classifier)
    assert not model.count(texts)["longer"] and model.count([*texts, "good " * (LENGTH - 1)])["longer"] == 1


def test_of_a_review_of_a_million_characters_so_many_windows_are_read_and_its_very_end(classifier):
    read = MAX_WINDOWS * (LENGTH - 2)
    for word in ("good", "a" * 201, "ü"):
        begin, end = ["bad", word] * (read // 2), [word, "film"] * (read // 2)
        middle = ["plot"] * (1_000_000 // 5)
        for separator in (" ", "\t"):
            whole, short = separator.join(begin + middle + end), " ".join(begin + end)
            for long in LONG:
                model = Classifier(classifier, long=long)
                np.testing.assert_array_equal(*model.predict([whole, short]))
                counted = model.count([whole])
                assert counted["longer"] == counted["huge"] == 1 and counted["pieces"] >= 2 * read


def test_a_window_of_texts_is_bounded_by_their_characters(classifier):
    read = itertools.count()
    long = "good film " * 100_000
    next(Classifier(classifier).predict(f"{long}{next(read)}" for _ in iter(int, 1)))
    assert next(read) == -(-MAX_CHARACTERS // len(f"{long}0"))


def test_no_texts_are_no_answers(classifier):
    assert Classifier(classifier).predict_window([]).shape == (0, 2)


def test_threads_and_generators_do_not_mix_their_answers(classifier):
    model = Classifier(classifier)
    texts = [random_texts(500)[i::4] for i in range(4)]
    expected = [np.array(list(model.predict(some))) for some in texts]
    with ThreadPoolExecutor(4) as pool:
        for got, right in zip(pool.map(lambda some: np.array(list(model.predict(some))), texts), expected, strict=True):
            np.testing.assert_allclose(got, right, atol=1e-6)
    first, second = model.predict(texts[0]), model.predict(texts[1])
    np.testing.assert_array_equal([[next(first), next(second)] for _ in range(10)], np.stack(expected[:2], 1)[:10])


def held(model, threads, calls):
    """Has the first of several threads' calls wait until all are there; returns ({i: answer or error}, batches)."""
    compute, sizes, here = model._compute, [], threading.Semaphore(0)

    def watched(spans, compiled):
        if not sizes:
            for _ in calls:
                here.acquire()
            time.sleep(0.1)  # from here it is a few instructions until a call waits
        sizes.append(len(spans))
        return compute(spans, compiled)

    def ask(texts):
        here.release()
        try:
            return model.predict_window(texts)
        except Exception as error:
            return error

    model._compute = watched
    with ThreadPoolExecutor(threads) as pool:
        answers = [*pool.map(ask, calls)]
    model._compute = compute
    return answers, sizes


def test_what_threads_ask_for_at_the_same_time_is_answered_together(classifier):
    model = Classifier(classifier)
    calls = [[text] for text in random_texts(8)] + [random_texts(GATHERED), []]
    expected = [model.predict_window(texts) for texts in calls]
    answers, sizes = held(model, len(calls), calls)
    for answer, right in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, right, atol=1e-6)
    assert sum(sizes) == 8 + GATHERED and len(sizes) <= 4, "one at a time would be ten"


@pytest.mark.parametrize(
    "waiting, together",
    [
        ([1, GATHERED - 2, 1, 1], 3),
        ([GATHERED - 1, 2, 1], 1),
        ([2, GATHERED - 1, 0], 1),
        ([GATHERED + 1, 1], 1),
        ([GATHERED + 1], 1),
        ([GATHERED, 0, 1], 2),
    ],
)
def test_so_many_calls_are_answered_together_and_none_before_its_turn(classifier, waiting, together):
    model = Classifier(classifier)
    calls = [Call([[]] * spans) for spans in waiting]
    model._waiting.extend(calls)
    assert model._gather() == calls[:together] and [*model._waiting] == calls[together:]


def test_an_error_is_that_of_all_who_were_to_be_answered_and_leaves_it_usable(classifier):
    model = Classifier(classifier)
    expected = model.predict_window(["good"])
    compile = model._compile
    model._compile = lambda hint: (_ for _ in ()).throw(RuntimeError("ours"))
    with ThreadPoolExecutor(4) as pool:
        for asked in [pool.submit(model.predict_window, ["good"]) for _ in range(8)]:
            with pytest.raises(RuntimeError, match="ours"):
                asked.result(60)
    model._compile = compile
    np.testing.assert_allclose(model.predict_window(["good"]), expected, atol=1e-6)


def test_few_texts_are_answered_soon_and_many_fast_unless_a_hint_says_otherwise(classifier):
    model = Classifier(classifier)
    for count in (1, FEW):
        model.predict_window(random_texts(count))
    assert [*model._compiled] == ["latency"]
    model.predict_window(random_texts(FEW + 1))
    assert [*model._compiled] == ["latency", "throughput"]
    for hint in HINTS:
        model = Classifier(classifier, hint=hint)
        for count in (1, FEW + 1):
            model.predict_window(random_texts(count))
        assert [*model._compiled] == [hint]


def test_a_generator_given_up_and_texts_that_raise_leave_it_usable(classifier):
    model = Classifier(classifier)
    texts = random_texts(100)
    expected = model.predict_window(texts)

    def breaking():
        yield from texts
        raise KeyError("ours")

    for _ in range(3):
        next(model.predict(texts))
        with pytest.raises(KeyError, match="ours"):
            list(model.predict(breaking()))
    np.testing.assert_array_equal(model.predict_window(texts), expected)


FORK = """
import os, signal, sys
from infer import Classifier
model = Classifier(sys.argv[1])
for _ in range(10):  # right after an answer, when OpenVINO's threads have not come to rest
    expected = model.predict_window(["good"])
    child = os.fork()
    if not child:
        signal.alarm(60)
        try:
            model.predict_window(["good"])
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(int(abs(Classifier(sys.argv[1]).predict_window(["good"]) - expected).max() > 1e-6))
    if os.waitpid(child, 0)[1]:
        sys.exit("the child got no answer, or another")
"""


@pytest.mark.process
def test_a_forked_process_is_told_to_make_its_own(classifier):
    done = run("-c", FORK, classifier)
    said = "a Classifier does not survive a fork: make one in each process\n"
    assert (done.returncode, done.stdout) == (0, 10 * said), done.stderr


def test_padding_and_the_other_tokens_of_a_batch_change_nothing(classifier):
    """The graph's own inputs: free batch and length, the mask hides what is padding."""
    compiled = ov.Core().compile_model(classifier, "CPU", FP32)
    ids = np.array([[2, 5, 6, 3, 0, 0, 7, 8]], np.int32)
    mask = np.array([[1, 1, 1, 1, 0, 0, 0, 0]], np.int32)
    padded = compiled([ids, mask, 0 * ids])[0]
    alone = compiled([ids[:, :4], mask[:, :4], 0 * ids[:, :4]])[0]
    np.testing.assert_allclose(padded, alone, atol=1e-6)
    assert np.abs(compiled([ids, mask, mask])[0] - padded).max() > 0.01, "segments count"


def test_what_is_no_text_is_refused(classifier):
    model = Classifier(classifier)
    with pytest.raises(TypeError, match="no iterable of texts: put the one into a list"):
        next(model.predict("good film"))
    with pytest.raises(TypeError, match="no iterable of texts: put the one into a list"):
        model.count("good film")
    with pytest.raises(TypeError, match="text 1 is NoneType"):
        next(model.predict(["good", None]))


@pytest.mark.process
def test_labels_of_any_name_and_number_are_in_it(tmp_path):
    labels = ['it\'s "so, so"', "<&>", "很好", *(f"label {i}" for i in range(30))]
    save(tmp_path / "classifier.xml", 1, labels)
    classifier = Classifier(tmp_path / "classifier.xml")
    assert classifier.labels == labels and classifier.predict_window([]).shape == (0, len(labels))
    answers = classifier.predict_window(["good film", "bad"])
    lines = run("-m", "infer", "-m", tmp_path / "classifier.xml", "good film", "bad").stdout.splitlines()
    assert len(lines) == 2
    for line, answer in zip(lines, answers, strict=True):
        numbers, label = line.partition("array(")[2].rsplit(", dtype=float32), ", 1)
        np.testing.assert_allclose(ast.literal_eval(numbers), answer, atol=1e-6)
        assert ast.literal_eval(label.removesuffix(")")) == labels[answer.argmax()]


@pytest.mark.process
def test_it_is_all_that_the_command_needs(classifier, tmp_path):
    for suffix in (".xml", ".bin"):
        shutil.copy(classifier.with_suffix(suffix), tmp_path)
    done = run("-m", "infer", "-m", tmp_path / "classifier.xml", "a good film!", "a bad film")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("('a good film!', array([") and first.endswith(("'Negative')", "'Positive')"))
    assert first.split("array")[1] != second.split("array")[1]


def corrupt(path):
    path.write_bytes(path.read_bytes()[:-200])


def unseal(path):
    path.write_text(path.read_text().replace("<sha256 ", "<digest "))


def spoil_vocab(path):
    path.write_text(path.read_text().replace("&quot;[CLS]&quot;", "&quot;[CLS&quot;"))


def swap_labels(path):
    path.write_text(path.read_text().replace("Negative", "Positive", 1))


def overwrite_weights(path):
    data = bytearray(path.with_suffix(".bin").read_bytes())
    data[1000:2000] = bytes(1000)
    path.with_suffix(".bin").write_bytes(data)


def cut_weights(path):
    path.with_suffix(".bin").write_bytes(path.with_suffix(".bin").read_bytes()[:100])


@pytest.mark.process
@pytest.mark.parametrize(
    "spoil, message",
    [
        (corrupt, "not a classifier, or broken: its .xml or .bin is not as it was written"),
        (unseal, "not a classifier, or broken: no sha256 in its rt_info"),
        (spoil_vocab, "not a classifier, or broken: its .xml or .bin is not as it was written"),
        (swap_labels, "not a classifier, or broken: its .xml or .bin is not as it was written"),
        (overwrite_weights, "not a classifier, or broken: its .xml or .bin is not as it was written"),
        (cut_weights, "not a classifier, or broken: its .xml or .bin is not as it was written"),
        (lambda path: path.with_suffix(".bin").unlink(), "classifier.bin: no such file"),
    ],
)
def test_a_broken_ir_is_one_clear_line(classifier, spoil, message, tmp_path):
    for suffix in (".xml", ".bin"):
        shutil.copy(classifier.with_suffix(suffix), tmp_path)
    spoil(tmp_path / "classifier.xml")
    line = fails("-m", "infer", "-m", tmp_path / "classifier.xml", "good")
    assert message in line and "make classifier" in line
    assert not [*tmp_path.glob("*.cache")]


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("vocab", {"[CLS]": 0}, "its vocab or labels are no list of names"),
        ("vocab", [*WORDS, 5], "its vocab or labels are no list of names"),
        ("vocab", ["[PAD]", "[UNK]", "[CLS]", *WORDS], r"no \[SEP\] in its vocab"),
        ("labels", "Negative", "its vocab or labels are no list of names"),
        ("labels", ["Negative", "Neutral", "Positive"], r"\[\?,2\], not three of ids and 3 probabilities"),
        ("do_lower_case", "no", "makes no sense"),
        ("max_seq_length", 2, "makes no sense"),
        ("max_seq_length", "48", "makes no sense"),
    ],
)
def test_what_was_written_wrongly_is_named(classifier, key, value, message, tmp_path):
    """As by a program of one's own, so its seal fits."""
    network = ov.Core().read_model(classifier)
    network.set_rt_info(json.dumps(value), ["classifier", key])
    save_classifier(network, tmp_path / "classifier.xml")
    with pytest.raises(ValueError, match=f"not a classifier, or broken: .*{message}"):
        Classifier(tmp_path / "classifier.xml")


@pytest.mark.process
def test_an_answer_that_is_nan_is_an_error(tmp_path):
    save_broken(tmp_path / "classifier.xml")
    model = Classifier(tmp_path / "classifier.xml")
    assert len(model.predict_window(["good", "bad"])) == 2
    with pytest.raises(FloatingPointError, match="computes what is NaN or infinite"):
        list(model.predict(["good", "dull"]))
    line = fails("-m", "infer", "-m", tmp_path / "classifier.xml", "good", "dull")
    assert line.startswith(f"{tmp_path}/classifier.xml: the classifier computes what is NaN or infinite")
    (tmp_path / "in.txt").write_text("good\ndull\n")
    score = "-m", "infer", "score", "-m", tmp_path / "classifier.xml", tmp_path / "in.txt", tmp_path / "out.txt"
    assert fails(*score) == line


def overwrite(cache):
    (blob,) = cache.glob("*.blob")
    embedding = cache.with_suffix(".bin").read_bytes()[4 * HIDDEN : 4 * HIDDEN * 2]
    assert embedding in blob.read_bytes()
    blob.write_bytes(blob.read_bytes().replace(embedding, embedding[::-1]))


def cut(cache):
    (blob,) = cache.glob("*.blob")
    blob.write_bytes(blob.read_bytes()[:-50])


def refused(cache):
    """As on a CPU of the same name that lacks what it was compiled for: the SHA-256 fits, and OpenVINO refuses it."""
    (blob,) = cache.glob("*.blob")
    (note,) = cache.glob("*.json")
    blob.write_bytes(blob.read_bytes().replace(b";isa=", b";isa=Other ", 1))
    found = json.loads(note.read_text()) | {"sha256": sha256_of(blob)}
    note.write_text(json.dumps(found))


def of_another(cache):
    (note,) = cache.glob("*.json")
    found = json.loads(note.read_text())
    (blob,) = cache.glob("*.blob")
    embedding = cache.with_suffix(".bin").read_bytes()[4 * HIDDEN : 4 * HIDDEN * 2]
    blob.write_bytes(blob.read_bytes().replace(embedding, embedding[::-1]))
    note.write_text(json.dumps(found | {"of": ["0" * 64, *found["of"][1:]], "sha256": sha256_of(blob)}))


def no_note(cache):
    (note,) = cache.glob("*.json")
    note.write_text("{")


def no_folder(cache):
    shutil.rmtree(cache)
    cache.write_text("a file")


def dangling(cache):
    shutil.rmtree(cache)
    cache.symlink_to("nowhere")


@pytest.mark.process
@pytest.mark.parametrize("spoil", [overwrite, cut, refused, of_another, no_note, no_folder, dangling, shutil.rmtree])
def test_a_compiled_model_that_is_broken_or_cannot_be_kept_changes_no_answer(classifier, spoil, tmp_path):
    for suffix in (".xml", ".bin"):
        shutil.copy(classifier.with_suffix(suffix), tmp_path)
    texts = [" ".join(text.split()[: LENGTH - 2]) for text in random_texts(10)]
    texts.append("xyzzy")  # an [UNK], the second of the embeddings
    expected = Classifier(tmp_path / "classifier.xml").predict_window(texts)
    spoil(tmp_path / "classifier.cache")
    done = run("-m", "infer", "-m", tmp_path / "classifier.xml", *texts)
    assert done.returncode == 0 and done.stderr == ""
    np.testing.assert_array_equal(Classifier(tmp_path / "classifier.xml").predict_window(texts), expected)


@pytest.mark.parametrize("hint", [None, "latency"])
@pytest.mark.parametrize("spoil", [corrupt, unseal, spoil_vocab, swap_labels, overwrite_weights, cut_weights])
def test_a_broken_ir_is_refused_also_where_what_was_compiled_of_it_is_kept(classifier, spoil, hint, tmp_path):
    for suffix in (".xml", ".bin"):
        shutil.copy(classifier.with_suffix(suffix), tmp_path)
    path = tmp_path / "classifier.xml"
    Classifier(path, hint="latency")
    assert Classifier(path, hint=hint)._kept
    spoil(path)
    with pytest.raises(ValueError, match="not a classifier, or broken: (its .xml or .bin is not as|no sha256 in)"):
        Classifier(path, hint=hint)


def same(path):
    pass


def copy_over(path):
    """The same bytes, and times, in a file of another number."""
    weights = path.with_suffix(".bin")
    copied = path.with_suffix(".copy")
    shutil.copy2(weights, copied)
    copied.replace(weights)


def touch(path):
    path.touch()


def of_older_openvino(path):
    (note,) = path.with_suffix(".cache").glob("*.json")
    found = json.loads(note.read_text())
    found["of"][1] = "2019.1"
    note.write_text(json.dumps(found))


def refuse(path):
    refused(path.with_suffix(".cache"))


@pytest.mark.parametrize("change, hashed", [(same, 0), (copy_over, 1), (touch, 1), (of_older_openvino, 1), (refuse, 1)])
def test_an_ir_is_hashed_again_if_its_files_were_touched_or_openvino_has_to_read_them(
    classifier, change, hashed, tmp_path, monkeypatch
):
    for suffix in (".xml", ".bin"):
        shutil.copy(classifier.with_suffix(suffix), tmp_path)
    path = tmp_path / "classifier.xml"
    expected = Classifier(path).predict_window(["good film"])
    change(path)
    read = []
    monkeypatch.setattr("infer.ir.sha256_of", lambda file: read.append(file) or sha256_of(file))
    for times in (hashed, hashed if change in (copy_over, touch) else 0):
        read.clear()
        np.testing.assert_array_equal(Classifier(path).predict_window(["good film"]), expected)
        assert read == [path.with_suffix(".bin")] * times


def test_one_compiled_model_is_kept_for_both_hints(classifier, tmp_path):
    for suffix in (".xml", ".bin"):
        shutil.copy(classifier.with_suffix(suffix), tmp_path)
    texts = random_texts(100)
    expected = {hint: Classifier(tmp_path / "classifier.xml", hint=hint).predict_window(texts) for hint in HINTS}
    model = Classifier(tmp_path / "classifier.xml")
    assert len([*tmp_path.glob("classifier.cache/*.blob")]) == 1 and isinstance(model._source, np.ndarray)
    np.testing.assert_allclose(model.predict_window(texts), expected["throughput"], atol=1e-6)
    model.predict_window(["good"])
    streams = [model._compiled[hint].model.get_property("NUM_STREAMS") for hint in HINTS]
    assert streams[1] == 1 and streams[0] == ov.Core().compile_model(
        classifier, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"}
    ).get_property("NUM_STREAMS")


CONVERTER = """
import sys
from infer import Classifier
print(Classifier(sys.argv[1]).predict_window(["good"]).shape, "openvino.tools.ovc" in sys.modules)
from openvino import convert_model
import openvino, openvino.tools.ovc
print(openvino.convert_model is convert_model is openvino.tools.ovc.convert_model, hasattr(openvino, "convert"))
"""


@pytest.mark.process
def test_the_converter_is_not_imported_before_it_is_asked_for(classifier):
    done = run("-c", CONVERTER, classifier)
    assert (done.returncode, done.stdout) == (0, "(1, 2) False\nTrue False\n"), done.stderr


NOBODY = """
import os, sys
import numpy as np
import openvino  # which another user may not be allowed to read
from infer import Classifier
if sys.argv[2] != "ours":
    Classifier(sys.argv[1], hint="latency")
    if sys.argv[2] == "closed":
        os.chmod(sys.argv[1].replace(".xml", ".cache"), 0o700)
else:
    for folder, _, files in os.walk(os.path.dirname(sys.argv[1])):
        for name in (folder, *(os.path.join(folder, file) for file in files)):
            os.chown(name, 65534, -1)
os.setuid(65534)
for _ in range(2):
    classifier = Classifier(sys.argv[1], hint="latency")
print(classifier.predict_window(["good"]))
print(isinstance(classifier._source, np.ndarray))
"""


@pytest.mark.process
@pytest.mark.parametrize("whose, kept", [("theirs", True), ("closed", False), ("ours", True)])
def test_what_was_kept_is_read_by_who_may_and_written_by_whose_it_is(classifier, whose, kept):
    """By a user who is not root, whose own the folder is, or who can only read it, or not even that."""
    if os.getuid():
        pytest.skip("becoming another user takes root")
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others, whenever another pytest starts
        for suffix in (".xml", ".bin"):
            shutil.copy(classifier.with_suffix(suffix), folder)
        os.chmod(folder, 0o755)
        done = run("-c", NOBODY, f"{folder}/classifier.xml", whose)
    assert done.returncode == 0, done.stderr
    answer, from_cache = done.stdout.splitlines()
    assert answer.startswith("[[") and from_cache == str(kept)


@pytest.mark.process
def test_a_full_disk_holds_no_half_classifier(classifier, tmp_path):
    network = ov.Core().read_model(classifier)
    with mounted(tmp_path / "disk", "-o", "size=20k") as disk:
        with pytest.raises(OSError, match="is there room for it.*classifier.xml"):
            save_classifier(network, disk / "classifier.xml")
        assert not list(disk.iterdir())
    with pytest.raises(NotADirectoryError, match="below.classifier.xml"):
        save_classifier(network, classifier / "below" / "classifier.xml")


@pytest.mark.process
def test_a_cache_on_a_full_disk_changes_no_answer(classifier, tmp_path):
    expected = Classifier(classifier).predict_window(["good"])
    files = [classifier, classifier.with_suffix(".bin")]
    room = sum(file.stat().st_size for file in files) // 1024 + 24
    with mounted(tmp_path / "disk", "-o", f"size={room}k") as disk:
        for file in files:
            shutil.copy(file, disk)
        for _ in range(2):
            done = run("-m", "infer", "-m", disk / "classifier.xml", "good")
            assert done.returncode == 0 and done.stderr == ""
            np.testing.assert_array_equal(Classifier(disk / "classifier.xml").predict_window(["good"]), expected)
        assert not list(disk.glob("*/*.blob"))


@pytest.mark.process
def test_a_foreign_ir_is_refused_by_name(tmp_path):
    x = ov.opset13.parameter([1], np.float32)
    ov.save_model(ov.Model([ov.opset13.relu(x)], [x]), tmp_path / "foreign.xml")
    with pytest.raises(ValueError, match="not a classifier, or broken: no sha256 in its rt_info"):
        Classifier(tmp_path / "foreign.xml")
    assert "not the IR of this encoder" in fails("-m", "infer", "-m", tmp_path / "foreign.xml", "good")


@pytest.mark.parametrize("path", ["", ".", "/", "no/such.xml"])
def test_a_path_of_no_file_is_named_as_such(path):
    with pytest.raises(FileNotFoundError, match="no such file: make it with"):
        Classifier(path)


@pytest.mark.process
@pytest.mark.parametrize("device", ["NPU.7", "nonsense"])
def test_a_device_that_is_not_there_is_named_with_those_that_are(classifier, device):
    line = fails("-m", "infer", "-m", classifier, "-d", device, "good")
    assert line.startswith(f"device {device} cannot run") and line.endswith("the devices here are CPU")


def test_a_hint_or_way_that_there_is_not_is_named_as_such(classifier):
    with pytest.raises(ValueError, match="hint 'fast': choose one of throughput, latency"):
        Classifier(classifier, hint="fast")
    with pytest.raises(ValueError, match="long 'all': choose one of cut, head_tail, windows"):
        Classifier(classifier, long="all")


@pytest.mark.process
def test_what_of_long_texts_is_not_read_is_said_by_the_command(classifier):
    texts = "good film", "a thing of beauty is not dull " * 20
    answers, said = set(), []
    for options in ((), ("--long", "head_tail"), ("--long", "windows")):
        done = run("-m", "infer", "-m", classifier, *options, *texts)
        answers.add(done.stdout)
        said.append(done.stderr)
    begin = "the reviews: 1 of 2 texts is longer than the 22 WordPieces that the model reads; "
    unread, rows = "83.1% of all WordPieces", "in 4.0 times as many rows\n"
    assert len(answers) == 3 and said == [
        f"{begin}not read: {unread}: --long windows reads them, {rows}",
        f"{begin}not read, between the first 5 and the last 17: {unread}: --long windows reads them, {rows}",
        f"{begin}read in windows, {rows}",
    ]


@pytest.mark.process
@pytest.mark.parametrize(
    "flag", [["--vocab_file", "vocab.txt"], ["--cased"], ["-l", "libcpu_extension.so"], ["--hint", "fast"]]
)
def test_flags_that_it_does_not_take_are_an_error(classifier, flag):
    done = run("-m", "infer", "-m", classifier, *flag, "good")
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_the_vocabulary_travels_whole(classifier):
    info = ov.Core().read_model(classifier).get_rt_info(["classifier"]).astype(dict)
    assert set(info) == {"vocab", "labels", "do_lower_case", "max_seq_length", "probes", "sha256"}
    assert '"[CLS]"' in info["vocab"].astype(str) and "##s" in info["vocab"].astype(str)


THREADS = """
import os, sys
from infer import Classifier
classifier = Classifier(sys.argv[1], threads=1)
list(classifier.predict(["good film"] * 100))
threads = map(int, os.listdir("/proc/self/task"))
print({os.sched_getaffinity(thread) == os.sched_getaffinity(0) for thread in threads})
"""


@pytest.mark.process
def test_a_few_threads_are_not_bound_to_the_first_cores(classifier):
    """Where the like of it run beside each other, all would share these."""
    done = run("-c", THREADS, classifier)
    assert done.stdout == "{True}\n", done.stderr

"""The graph's ids are infer/text/tokenizer.py's, which test_ids.py compares with FullTokenizer's, on any text."""

import json
import random
import sys
import unicodedata

import numpy as np
import openvino as ov
import pytest
from modules import fails, run
from small import HEADS, HIDDEN, LENGTH, VOCAB, mounted, random_weights, save_network

from infer import Classifier
from infer import in_graph as module
from infer.bert import build_classifier
from infer.in_graph import POINTS, build_tokenizer, find_different, put_before, random_texts, tokenizers_core
from infer.ir import FP32
from infer.text.tokenizer import load_tokenizer

CASINGS = pytest.mark.parametrize("do_lower_case", [True, False], ids=["uncased", "cased"])
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "the"]
HARD = [
    "",
    " ",
    "\n\t\r \u3000\u00a0\x0b\x1c\x85",
    "Ça, c'était très déjà vu: naïve façade, Ångström, İstanbul, ẞtraße, ΟΔΟΣ ΑΣ Σ ΣΑΣ",
    "这部电影很好看 この映画は最高だ 이 영화는 최고예요 丽\U0002b820\U0002b920",
    "👍🏽 🎬 👩‍👩‍👧 ☃️ 🇩🇪",
    "ΑΣ\x01Α ΑΣ\u00adΑ ΑΣ\u0301 'Σ. Σ\u200b ΑΣΣ ΑΣ'Σ Α'ΣΑ ʰΣ ªΣ 影Σ ΑΣ影 Α.ΣΒ Α .ΣΒ",
    "[SEP] [MASK] [CLS]x[PAD] [UNK] [unused1] ##ing #",
    "don't--stop...<br /><br />'quoted' ‘curly’ $9.99 100% a+b=c ~`^|\\ «guillemets» ¿qué?",
    "e\u0301 \u0301 o\u0308\u0323 \u1e9b\u0323 ﬁ ﬂ Ⅷ ½ ² ™ \u212b \u212a \u037e \u1fef \u2260 \u0344 \u0f73",
    "\ua9bd \u166d \U000111c9 \u1734 \u0378 \U0001fa77 \U0001fae0 \ufffd \ue000 \ufeff",
    *(
        letter * length
        for letter in ("a", "é", "e\u0301", "İ", "화", "影", "Σ'")
        for length in (66, 67, 100, 199, 200, 201)
    ),
    "a" * 150 + "." + "a" * 150,
    "$1 \\1 ${x} $$",
]


def spell(characters):
    """Returns a vocabulary of single characters: a difference in any place shows, where a real one says [UNK]."""
    characters = sorted({*characters} - {*map(str.strip, SPECIAL)})
    return {token: i for i, token in enumerate([*SPECIAL, *characters, *(f"##{char}" for char in characters)])}


@pytest.fixture(scope="module")
def vocab():
    return spell({chr(p) for p in range(0x21, 0x3000) if chr(p).isprintable()} | set("影映화ね丽\U0002b820\U0002b920"))


class Graph:
    """Ids by build_tokenizer, a list for each text, [CLS] and [SEP] and the padding left out."""

    def __init__(self, vocab, do_lower_case):
        tokenizer = build_tokenizer(vocab, do_lower_case, module.UNCUT)
        self.compiled = tokenizers_core().compile_model(tokenizer, "CPU")
        self.encode = load_tokenizer(vocab, do_lower_case)

    def ids(self, texts):
        rows, masks = self.compiled({"texts": texts}).values()
        assert len(rows) == len(texts)
        return [row[:length][1:-1].tolist() for row, length in zip(rows, masks.sum(1), strict=True)]

    def different(self, texts):
        batches = [texts[i : i + 64] for i in range(0, len(texts), 64)]
        pairs = [(text, *both) for b in batches for text, *both in zip(b, self.ids(b), self.encode(b), strict=True)]
        return [ascii(text) for text, got, wanted in pairs if got != wanted]


@pytest.fixture(scope="module")
def graphs(vocab):
    return {do_lower_case: Graph(vocab, do_lower_case) for do_lower_case in (True, False)}


@CASINGS
def test_its_ids_are_the_tokenizers_on_hard_and_random_texts(do_lower_case, vocab, graphs):
    graph = graphs[do_lower_case]
    assert not graph.different(HARD)
    assert not [text for text in HARD if graph.different([text])], "alone as well"
    assert not graph.different([" ".join(HARD), " ".join(HARD) * 30])
    assert not graph.different(random_texts(vocab, 600, seed=1))


@CASINGS
def test_its_ids_are_the_tokenizers_on_a_stride_of_all_code_points(do_lower_case, graphs):
    characters = [chr(point) for point in POINTS[:0x3000] + POINTS[0x3000::101]]
    for form in ("{}", "film{}s", "Α{}Σ", "ΑΣ{}α"):
        words = [form.format(char) for char in characters]
        texts = [" ".join(words[i : i + 256]) for i in range(0, len(words), 256)]
        assert not graphs[do_lower_case].different(texts), form


@pytest.mark.more
@CASINGS
def test_its_ids_are_the_tokenizers_on_every_code_point_and_many_texts(do_lower_case):
    """By a vocabulary that has each character, also those that only lower-casing and NFD make."""
    made = {char for left in module.cleaned().values() for char in left}
    made |= {char for text in [*made] for char in unicodedata.normalize("NFD", text.lower())}
    marks = {char for char in made if unicodedata.combining(char) and module.strip_accents(ord(char))}
    vocab = spell(char for char in made - marks if not char.isspace())
    assert len(vocab) > 200_000
    graph = Graph(vocab, do_lower_case)
    for form in ("{}", "film{}s", "{}s", "Α{}Σ", "ΑΣ{}α"):
        words = [form.format(chr(point)) for point in POINTS]
        assert not graph.different([" ".join(words[i : i + 512]) for i in range(0, len(words), 512)]), form
    assert not graph.different(random_texts(vocab, 20_000, seed=2))


@CASINGS
def test_rows_are_cut_framed_and_padded_as_the_classifiers_are(do_lower_case, vocab):
    tokenizer = build_tokenizer(vocab, do_lower_case, 8)
    texts = ["film " * 9, "", "film", "film the film the film the", "", "ab"]
    input_ids, input_mask = tokenizers_core().compile_model(tokenizer, "CPU")({"texts": texts}).values()
    assert input_ids.dtype == input_mask.dtype == np.int32
    cls, sep, film, the = (vocab[token] for token in ("[CLS]", "[SEP]", "film", "the"))
    a, b = vocab["a"], vocab["##b"]
    assert input_ids.tolist() == [
        [cls, *[film] * 6, sep],
        [cls, sep, *[0] * 6],
        [cls, film, sep, *[0] * 5],
        [cls, *[film, the] * 3, sep],
        [cls, sep, *[0] * 6],
        [cls, a, b, sep, *[0] * 4],
    ]
    assert input_mask.sum(1).tolist() == [8, 2, 3, 8, 2, 4] and (np.diff(input_mask) <= 0).all()


def test_rows_without_a_word_are_rows(graphs):
    for texts in ([""], ["", ""], ["", "", "film"], ["\0", "\u0301", " "]):
        assert graphs[True].ids(texts) == graphs[True].encode(texts)


@CASINGS
def test_bytes_that_are_not_utf8_and_zeros_are_dropped(do_lower_case, graphs):
    graph = graphs[do_lower_case]
    broken = [
        b"ab\xffcd",
        b"\xed\xa0\x80x",
        b"a\xc0\x80b",
        b"\xf4\x90\x80\x80z",
        b"\xf0\x9f",
        b"e\xcc",
        b"\xf8\x88\x80\x80q",
    ]
    broken += [bytes(random.Random(i).choices([*b"ab \xc3\xa9\xed\xa0\x80\xf0\xff\xce\xa3"], k=60)) for i in range(300)]
    texts = [text.decode(errors="replace") for text in broken]
    assert graph.ids(np.array(broken)) == graph.encode(texts)
    assert graph.ids(["fi\0lm", "\0film"]) == graph.ids(["film", "film"])


def test_a_text_of_a_million_characters(graphs):
    """Neither a limit of the regular expressions, nor time that grows with the square."""
    for word in ("a", "ab ", "Σα", "Σ'", "Α'", "é."):
        assert not graphs[True].different([word * (1_000_000 // len(word))]), word


def test_a_difference_is_found(vocab):
    texts = [*HARD, "plain words"]
    assert find_different(build_tokenizer(vocab, True, 99), vocab, True, 99, texts) == []
    assert "plain words" not in find_different(build_tokenizer(vocab, False, 99), vocab, True, 99, texts)
    assert HARD[3] in find_different(build_tokenizer(vocab, False, 99), vocab, True, 99, texts)
    assert find_different(build_tokenizer(vocab, True, 4), vocab, True, 5, ["film the film"]) == ["film the film"]
    padded = find_different(build_tokenizer(vocab | {"[SEP]": 0}, True, 9), vocab, True, 9, ["film"])
    assert padded == ["film"]


def test_marks_whose_order_nfd_changes_are_refused(monkeypatch):
    """U+1B44 stands before U+302E once they are in order, which the graph leaves as they are written."""
    text, marks = "film\u302e\u1b44", ("##\u302e", "##\u1b44", "##\u1baa", "##\u0898")
    vocab = {token: i for i, token in enumerate([*SPECIAL, *marks])}
    with pytest.raises(ValueError, match=r"^U\+1B44 and U\+302E are in its vocab, whose order NFD may change, as the"):
        build_tokenizer(vocab, True, 9)
    assert not Graph(vocab, False).different([text]), "cased, nothing is put in order"
    for left in (["##\u302e", "##\u0898"], ["##\u1b44", "##\u1baa"]):  # of one class, or of a later Unicode
        assert not Graph({token: i for i, token in enumerate([*SPECIAL, *left])}, True).different([text])
    monkeypatch.setattr(module, "check_order", lambda vocab: None)
    assert Graph(vocab, True).different([text]) == [ascii(text)]


def put_into(classifier):
    """Returns the ov.CompiledModel of a classifier.xml with its tokenizer in it."""
    network = ov.Core().read_model(classifier)
    vocab = {token: i for i, token in enumerate(VOCAB)}
    return tokenizers_core().compile_model(put_before(build_tokenizer(vocab, True, LENGTH), network), "CPU", FP32)


def test_probabilities_are_the_classifiers(classifier):
    texts = [*HARD, *random_texts({token: 0 for token in VOCAB}, 100), "good " * 99, "dull plot"]
    wanted = Classifier(classifier).predict_window(texts)
    assert np.ptp(wanted[:, 1]) > 0.2
    compiled = put_into(classifier)
    assert [str(port.partial_shape) for port in (*compiled.inputs, *compiled.outputs)] == ["[?]", "[?,2]"]
    np.testing.assert_allclose(compiled({"texts": texts})["probabilities"], wanted, atol=5e-6, rtol=0)
    queue, got = ov.AsyncInferQueue(compiled, 3), {}
    queue.set_callback(lambda request, i: got.__setitem__(i, request.get_output_tensor().data.copy()))
    for i, text in enumerate(texts):
        queue.start_async({"texts": [text]}, i)
    queue.wait_all()
    np.testing.assert_allclose(np.concatenate([got[i] for i in range(len(texts))]), wanted, atol=5e-6, rtol=0)


@pytest.fixture
def quick(monkeypatch):
    """The check that conversion makes, on fewer texts."""
    monkeypatch.setattr(module, "RANDOM_TEXTS", 200)
    monkeypatch.setattr(module, "code_points", lambda vocab, every=5001, of=module.code_points: of(vocab, every))


def convert(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["in_graph", *map(str, arguments)])
    module.main()


def test_what_is_written_has_labels_and_length(classifier, tmp_path, monkeypatch, capsys, quick):
    convert(monkeypatch, classifier, tmp_path / "string.xml")
    said = capsys.readouterr().out
    assert said.startswith(f"{classifier}: the graph's ids are FullTokenizer's on 1112064 code points and 200 random")
    network = tokenizers_core().read_model(tmp_path / "string.xml")
    read = [json.loads(network.get_rt_info(["classifier", key]).astype(str)) for key in ("labels", "max_seq_length")]
    assert read == [["Negative", "Positive"], LENGTH]
    assert {path.name for path in tmp_path.iterdir()} == {"string.xml", "string.bin"}


@pytest.mark.parametrize(
    "name, value, line",
    [
        ("final_sigma", lambda: "(?!)", r"ids than FullTokenizer for 66 .*, first of '\\u0391\\u03a3': use the"),
        ("MAX_INPUT_CHARS_PER_WORD", 199, "ids than FullTokenizer for 67 of .* texts, first of 'a{100}': use the"),
        ("TOLERANCE", -1, "with the tokenizer in the graph, probabilities differ by "),
    ],
)
def test_a_graph_that_is_not_the_same_is_refused_and_nothing_left(
    name, value, line, tmp_path, monkeypatch, quick, vocab
):
    weights = random_weights()
    small = [*VOCAB[:5], "a" * 200, "ας", "ασ"]
    weights["embeddings/word_embeddings"] = weights["embeddings/word_embeddings"][: len(small)]
    head = np.ones((2, HIDDEN), np.float32), np.zeros(2, np.float32)
    monkeypatch.setattr("small.VOCAB", small)
    save_network(build_classifier(weights, HEADS, head), tmp_path / "classifier.xml")
    monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "random_texts", lambda vocab, count: ["ΑΣ", "a" * 200, "a"] * (count // 3))
    with pytest.raises(SystemExit, match=f"^{tmp_path}/classifier.xml: .*{line}") as end:
        convert(monkeypatch, tmp_path / "classifier.xml", tmp_path / "string.xml")
    assert "\n" not in end.value.code
    assert not [*tmp_path.glob("string.*")]


def test_without_the_extension_for_this_openvino_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="^openvino-tokenizers is not installed: install the version of it"):
        module.extension.__wrapped__()
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib/libopenvino_tokenizers.so"
    library.write_bytes(b"of another OpenVINO")
    spec = module.importlib.util.spec_from_file_location("openvino_tokenizers", tmp_path / "__init__.py")
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(SystemExit, match=f"^{library}: not for OpenVINO {ov.__version__}: .+") as end:
        module.extension.__wrapped__()
    assert "\n" not in end.value.code


@pytest.mark.process
def test_a_full_disk_is_one_clear_line_and_nothing_left(classifier, tmp_path, monkeypatch, quick):
    with mounted(tmp_path / "disk", "-o", "size=100k") as disk:
        with pytest.raises(OSError, match="cannot write the IR .*: is there room for it"):
            convert(monkeypatch, classifier, disk / "string.xml")
        assert not [*disk.iterdir()]


@pytest.mark.process
def test_what_it_cannot_read_is_one_clear_line(classifier, tmp_path):
    output = tmp_path / "string.xml"
    assert "nowhere.xml: no such file" in fails("-m", "infer.in_graph", "nowhere.xml", output)
    for suffix in (".xml", ".bin"):
        (tmp_path / f"broken{suffix}").write_bytes(classifier.with_suffix(suffix).read_bytes() + b" ")
    assert "not a classifier, or broken" in fails("-m", "infer.in_graph", tmp_path / "broken.xml", output)
    onto_itself = run("-m", "infer.in_graph", classifier, classifier)
    assert onto_itself.returncode == 2 and "is not that of the model itself" in onto_itself.stderr
    assert not output.exists()

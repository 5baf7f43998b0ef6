"""Google's zip and Hugging Face's folder of the same weights become the same bytes; and the comparison of sources."""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from modules import ROOT, run
from test_pretrained import CONFIG, TOKENS, google_zip, hugging_face_name

from infer.text.bert_config import read_bert_config, variable_shapes
from tf1 import pretrained, sources
from tf1.checkpoint import read_checkpoint, save

HEADS = {"cls/predictions/output_bias": (6,), "cls/seq_relationship/output_weights": (2, 4)}


def write_forms(folder, changes=()):
    """Writes one model's weights as Google's zip, heads of pre-training and all, and as Hugging Face has them.

    Args:
      changes: {variable: function of its array} in Hugging Face's form.
    Returns: (path of the zip, path of the folder, path of bert_config.json).
    """
    from safetensors.numpy import save_file

    rng = np.random.RandomState(0)
    google, theirs = folder / "google", folder / "model-huggingface"
    google.mkdir(parents=True)
    theirs.mkdir()
    (google / "bert_config.json").write_text(json.dumps(CONFIG))
    shapes = variable_shapes(read_bert_config(str(google / "bert_config.json")))
    variables = {name: rng.normal(size=shape).astype("f4") for name, shape in {**shapes, **HEADS}.items()}
    save(variables, str(google / "bert_model.ckpt"))
    tensors = {"cls.predictions.bias": np.zeros(6, "f4"), "cls.predictions.transform.LayerNorm.gamma": np.ones(4, "f4")}
    for name in shapes:
        value = dict(changes).get(name, lambda array: array)(variables[name])
        ours = "bert." + hugging_face_name(name)
        ours = ours.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        tensors[ours] = np.ascontiguousarray(value.T) if name.endswith("kernel") else value
    save_file(tensors, str(theirs / "model.safetensors"))
    for place in (google, theirs):
        (place / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    google_zip(folder / "model.zip", str(google), "model/", sorted(os.listdir(str(google))))
    return folder / "model.zip", theirs, google / "bert_config.json"


def convert(kind, archive, config, output):
    argv = ["tf1.pretrained", kind, str(archive), str(output), f"--bert_config_file={config}"]
    with mock.patch.object(sys, "argv", argv):
        pretrained.main()
    return {path.name: path.read_bytes() for path in Path(str(output)).iterdir()}


def test_both_forms_become_the_same_bytes(tmp_path):
    archive, folder, config = write_forms(tmp_path)
    ours = convert("google", archive, config, tmp_path / "one")
    assert ours == convert("huggingface", folder, config, tmp_path / "two")
    assert sorted(ours) == [
        *("bert_config.json", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index", "vocab.txt")
    ]
    got = read_checkpoint(str(tmp_path / "one" / "bert_model.ckpt"))
    assert not set(got) & set(HEADS) and np.ptp(got["bert/pooler/dense/kernel"]) > 1


@pytest.mark.parametrize("profile", ["multilingual", "uncased"])
def test_the_configurations_and_vocabularies_are_googles(profile):
    """The files of Google's zips by the digests that are published, which Hugging Face's forms are made with."""
    archive = f"{profile}_L-12_H-768_A-12"
    lines = Path(str(ROOT), "inputs", "checksums.txt").read_text().splitlines()
    listed = {line.split()[1]: line.split()[0] for line in lines if not line.startswith("#")}
    config = Path(str(ROOT), "profiles", f"{profile}.json").read_bytes()
    zipped, folder = f"{archive}.zip/{archive}", f"{archive}-huggingface"
    assert listed[f"{zipped}/bert_config.json"] == "sha256:" + hashlib.sha256(config).hexdigest()
    assert listed[f"{zipped}/vocab.txt"] == listed[f"{folder}/vocab.txt"]
    assert sum(name.startswith(folder) for name in listed) == 2


def test_a_folder_without_a_configuration_says_what_to_add(tmp_path):
    _, folder, _ = write_forms(tmp_path)
    with mock.patch.object(sys, "argv", ["tf1.pretrained", "huggingface", str(folder), str(tmp_path / "out")]):
        with pytest.raises(SystemExit, match="has no configuration of its own: add WEIGHTS_CONFIG=bert_config.json"):
            pretrained.main()
    assert not (tmp_path / "out").exists()


def compare(monkeypatch, capsys, *arguments):
    """Runs tf1.sources' main; returns (lines printed, the line it ends with or None)."""
    monkeypatch.setattr(sys, "argv", ["tf1.sources", *map(str, arguments)])
    end = None
    try:
        sources.main()
    except SystemExit as exit_:
        end = str(exit_.code)
    return capsys.readouterr().out.splitlines(), end


def test_sources_of_the_same_weights(tmp_path, monkeypatch, capsys):
    archive, folder, config = write_forms(tmp_path)
    before = sorted(os.listdir(str(tmp_path)))
    given = ("google", archive, "huggingface", folder, f"--bert_config_file={config}")
    lines, end = compare(monkeypatch, capsys, *given)
    assert end is None and lines[-1] == "2 sources, the same weights"
    assert [line.split()[1] for line in lines[1:-2]] == ["0"] * 23 and lines[1].startswith(
        "bert/embeddings/LayerNorm/beta "
    )
    assert "23 variables, largest difference 0.0e+00; vocab.txt and bert_config.json: compared" in lines[-2]
    assert sorted(os.listdir(str(tmp_path))) == before


def test_sources_of_other_weights(tmp_path, monkeypatch, capsys):
    name = "bert/encoder/layer_0/output/dense/kernel"
    archive, folder, config = write_forms(tmp_path, {name: lambda array: array + np.float32(2e-4)})
    given = ("google", archive, "huggingface", folder, f"--bert_config_file={config}")
    lines, end = compare(monkeypatch, capsys, *given)
    assert end == f"{folder}: 1 differ from {archive}, such as {name}: one of them is of other weights"
    assert [line.split() for line in lines[1:-1] if not line.endswith(" 0")] == [[name, "2.0e-04"]]
    (folder / "vocab.txt").write_text("\n".join([*TOKENS[:-1], "worse"]) + "\n")
    _, end = compare(monkeypatch, capsys, *given)
    assert "2 differ from" in end and "such as vocab.txt" in end
    (folder / "model.safetensors").write_bytes(b"")
    _, end = compare(monkeypatch, capsys, *given)
    assert end.startswith(f"{folder}") and "not a complete safetensors file" in end


@pytest.mark.more
def test_a_module_against_the_checkpoint_it_was_made_of(tiny, tmp_path, monkeypatch, capsys):
    google_zip(tmp_path / "model.zip", tiny, "model/", sorted(os.listdir(tiny)))
    assert run("-m", "tf1.hub", "export", tiny, str(tmp_path / "module")).returncode == 0
    given = ("google", tmp_path / "model.zip", "module", tmp_path / "module")
    lines, end = compare(monkeypatch, capsys, *given)
    assert end is None and "largest difference 0.0e+00; vocab.txt" in lines[-2]
    shutil.rmtree(str(tmp_path / "module"))
    other = shutil.copytree(tiny, str(tmp_path / "other"))
    variables = read_checkpoint(os.path.join(other, "bert_model.ckpt"))
    save(dict(variables, **{"bert/pooler/dense/bias": np.ones(32, "f4")}), os.path.join(other, "bert_model.ckpt"))
    assert run("-m", "tf1.hub", "export", other, str(tmp_path / "module")).returncode == 0
    _, end = compare(monkeypatch, capsys, *given)
    assert "1 differ from" in end and "such as bert/pooler/dense/bias" in end

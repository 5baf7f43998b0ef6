"""BERT from a TF Hub module, the notebook's way: the same model as from the checkpoint, and what is refused."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
from modules import run
from training import PORTS, ROOT, fails, patched
from waiting import LONG

from tf1 import hub as module_io
from tf1.pretrained import save

INPUT_IDS = np.array([[101, 2023, 3185, 2003, 6659, 102] + [0] * 10, [101, 1037, 3835, 2143] + [1010] * 11 + [102]])


@pytest.fixture(scope="session")
def module(tiny, tmp_path_factory):
    """The tiny checkpoint, exported as a module."""
    folder = str(tmp_path_factory.mktemp("hub") / "module")
    done = run("-m", "tf1.hub", "export", tiny, folder)
    assert done.returncode == 0, done.stderr
    return folder


def flags(data_dir, output_dir, **changes):
    values = {
        "do_train": True,
        "data_dir": data_dir,
        "max_seq_length": 16,
        "train_batch_size": 4,
        "num_train_epochs": 1.5,
        "learning_rate": 1e-3,
        "output_dir": str(output_dir),
    }
    values.update(changes)
    return ["--{}={}".format(*item) for item in sorted(values.items())]


def encode(checkpoint, folder, *flags):
    """Freezes a checkpoint with ckpt_to_pb.py; returns the pooled output, float32 (2, 32), of INPUT_IDS."""
    pb = os.path.join(str(folder), "frozen.pb")
    done = run("ckpt_to_pb.py", f"--init_checkpoint={checkpoint}", f"--output_file={pb}", *flags)
    assert done.returncode == 0, done.stderr
    graph_def = tf.compat.v1.GraphDef()
    with open(pb, "rb") as file:
        graph_def.ParseFromString(file.read())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        (pooled,) = tf.import_graph_def(graph_def, return_elements=["bert/pooler/dense/Tanh:0"], name="")
        mask = (INPUT_IDS > 0).astype(np.int32)
        return session.run(pooled, dict(zip(PORTS, (INPUT_IDS, mask, np.zeros_like(mask)))))


@pytest.mark.more
@pytest.mark.process
def test_fine_tuning_from_the_module_equals_fine_tuning_from_the_checkpoint(module, tiny, data_dir, tmp_path):
    """Three steps without dropout from the same head; the encoder must agree before and after."""
    script = patched(tmp_path)
    from_module = tmp_path / "from_module"
    done = run(script, *flags(data_dir, from_module, bert_hub_module_handle=module))
    assert done.returncode == 0, done.stderr
    first = tf.train.load_checkpoint(str(from_module / "model.ckpt-0"))
    names = [n for n in first.get_variable_to_shape_map() if not n.endswith(("adam_m", "adam_v", "global_step"))]
    save({name.replace("module/", ""): first.get_tensor(name) for name in names}, str(tmp_path / "start.ckpt"))
    for name in names:
        if name.startswith("module/"):
            pretrained = tf.train.load_variable(tiny + "/bert_model.ckpt", name.replace("module/", ""))
            np.testing.assert_array_equal(first.get_tensor(name), pretrained)

    from_checkpoint = tmp_path / "from_checkpoint"
    files = {"vocab_file": tiny + "/vocab.txt", "bert_config_file": tiny + "/bert_config.json"}
    done = run(script, *flags(data_dir, from_checkpoint, init_checkpoint=f"{tmp_path}/start.ckpt", **files))
    assert done.returncode == 0, done.stderr
    outputs = {}
    for step in (0, 3):
        for folder in (from_module, from_checkpoint):
            outputs[step, folder] = encode(folder / f"model.ckpt-{step}", folder)
        np.testing.assert_allclose(outputs[step, from_module], outputs[step, from_checkpoint], atol=1e-6, rtol=0)
    assert np.abs(outputs[3, from_module] - outputs[0, from_module]).max() > 1e-3, "nothing was learnt"


@pytest.mark.process
def test_two_phases_and_prediction_from_a_module(module, data_dir, tmp_path):
    source = {"bert_hub_module_handle": module}
    assert run("run_classifier.py", *flags(data_dir, tmp_path / "result1", **source)).returncode == 0
    source["init_checkpoint"] = f"{tmp_path}/result1/model.ckpt-3"
    done = run(patched(tmp_path), *flags(data_dir, tmp_path / "result2", do_eval=True, **source))
    assert done.returncode == 0, done.stderr
    assert "eval_accuracy" in done.stdout
    first = tf.train.load_variable(f"{tmp_path}/result1/model.ckpt-3", "module/bert/pooler/dense/kernel")
    second = tf.train.load_variable(f"{tmp_path}/result2/model.ckpt-0", "module/bert/pooler/dense/kernel")
    np.testing.assert_array_equal(first, second)
    source["init_checkpoint"] = f"{tmp_path}/result2/model.ckpt-3"
    done = run(
        "run_classifier_predict.py",
        *flags(data_dir, tmp_path / "predict", do_train=False, do_predict=True, **source),
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    # Without dropout the first phase's weights answer in a graph built anew as in the second phase's.
    anew = encode(f"{tmp_path}/result1/model.ckpt-3", tmp_path)
    given = encode(f"{tmp_path}/result1/model.ckpt-3", tmp_path, f"--meta_graph={tmp_path}/result2/model.ckpt-3.meta")
    np.testing.assert_allclose(anew, given, atol=1e-6, rtol=0)


@pytest.mark.process
@pytest.mark.parametrize(
    "more, given, casing", [("", None, True), ("The\nÉtat\n", None, False), ("", 0, False), ("The\n", 1, True)]
)
def test_a_module_that_is_exported_says_its_casing(more, given, casing, tiny, tmp_path):
    source = shutil.copytree(tiny, str(tmp_path / "source"))
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "film"]
    Path(source, "vocab.txt").write_text("\n".join(vocab) + "\n" + more, encoding="utf-8")
    flag = [] if given is None else [f"--do_lower_case={given}"]
    assert run("-m", "tf1.hub", "export", source, str(tmp_path / "module"), *flag).returncode == 0
    _, do_lower_case, _ = module_io.read_module(str(tmp_path / "module"))
    assert do_lower_case is casing


@pytest.mark.process
def test_the_tags_turn_dropout_on_and_off(module):
    mask = (INPUT_IDS > 0).astype(np.int32)
    pooled = {}
    for tags in ((), ("train",)):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            inputs = {"input_ids": INPUT_IDS, "input_mask": mask, "segment_ids": np.zeros_like(mask)}
            inputs = {name: tf.constant(value, tf.int32) for name, value in inputs.items()}
            output = hub.Module(module, tags=set(tags))(inputs, signature="tokens", as_dict=True)["pooled_output"]
            session.run(tf.compat.v1.global_variables_initializer())
            pooled[tags] = [session.run(output) for _ in range(2)]
    np.testing.assert_array_equal(*pooled[()])
    assert np.abs(pooled["train",][0] - pooled["train",][1]).max() > 0.01


VOCAB = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"


def export(folder, signatures, cased=True):
    """Exports a module with some of a BERT module's signatures and variables, and no BERT in it."""

    def module_fn():
        for name, rows in (("word", 4), ("position", 64), ("token_type", 2)):
            tf.compat.v1.get_variable(f"bert/embeddings/{name}_embeddings", [rows, 4])
        tf.compat.v1.get_variable("bert/encoder/layer_0/intermediate/dense/bias", [16])
        ids = {name: tf.compat.v1.placeholder(tf.int32, [None, None]) for name in module_io.INPUTS}
        if "tokens" in signatures:
            hub.add_signature("tokens", ids, {"pooled_output": tf.cast(ids["input_ids"], tf.float32)})
        if "default" in signatures:
            hub.add_signature("default", ids, tf.cast(ids["input_ids"], tf.float32))
        vocab = tf.constant(os.path.join(str(folder), "vocab.txt"))
        if "tokenization_info" in signatures:
            tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.ASSET_FILEPATHS, vocab)
            info = {"vocab_file": vocab, "do_lower_case": tf.constant(not cased)}
            hub.add_signature("tokenization_info", {}, info)

    (folder / "vocab.txt").write_text(VOCAB)
    spec = hub.create_module_spec(module_fn, [(set(), {}), ({"train"}, {})])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        module = hub.Module(spec)
        session.run(tf.compat.v1.global_variables_initializer())
        module.export(str(folder / "module"), session)
    return str(folder / "module")


@pytest.mark.process
def test_a_module_is_described_for_those_without_tensorflow(module, tiny, tmp_path):
    done = run("-m", "tf1.hub", "describe", module, str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    with open(tiny + "/bert_config.json") as file:
        config = json.load(file)
    described = json.loads((tmp_path / "out" / "bert_config.json").read_text())
    assert described == {name: config[name] for name in described}
    assert set(config) - set(described) == {
        *("attention_probs_dropout_prob", "hidden_dropout_prob", "hidden_act", "initializer_range"),
        "num_attention_heads",
    }


@pytest.mark.process
def test_the_casing_is_the_modules(tmp_path):
    module = export(tmp_path, ["tokens", "tokenization_info"], cased=True)
    done = run("-m", "tf1.hub", "describe", module, str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text()) == {"do_lower_case": False}
    assert (tmp_path / "out" / "vocab.txt").read_text() == VOCAB


@pytest.mark.process
@pytest.mark.parametrize(
    "signatures, message",
    [
        (["tokenization_info", "default"], "no signature 'tokens', only default, tokenization_info"),
        (["tokens"], "no signature 'tokenization_info', only tokens"),
    ],
)
def test_a_module_of_another_kind_is_one_clear_line(signatures, message, tmp_path):
    module = export(tmp_path, signatures)
    line = fails("-m", "tf1.hub", "describe", module, str(tmp_path / "out"))
    assert f"{module}: {message}: not a BERT module" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda module: (module / "saved_model.pb").write_bytes(b""), "no graph with the tags []"),
        (lambda module: (module / "saved_model.pb").write_bytes(b"\xff" * 4096), "not a TF Hub module"),
        (lambda module: cut(module / "saved_model.pb"), "not a TF Hub module"),
        (lambda module: cut(module / "variables/variables.index"), "not a TF Hub module"),
        (lambda module: (module / "assets/vocab.txt").unlink(), "not a TF Hub module"),
        (lambda module: (module / "assets/vocab.txt").write_text(VOCAB + "film\n"), "5 tokens, but 4 embeddings"),
        (lambda module: link(module / "assets/vocab.txt", "/etc/passwd"), "its vocabulary is "),
    ],
)
def test_a_spoilt_module_is_one_clear_line(spoil, message, tmp_path):
    module = export(tmp_path, ["tokens", "tokenization_info"])
    spoil(Path(module))
    with pytest.raises(SystemExit) as end:
        module_io.read_module(module)
    assert end.value.code.startswith(f"{module}: no") and message in end.value.code and "\n" not in end.value.code


def cut(path):
    os.truncate(str(path), path.stat().st_size // 2)


def link(path, target):
    path.unlink()
    path.symlink_to(target)


@pytest.mark.process
def test_what_is_no_module_or_two_ways_at_once_is_one_clear_line(module, tiny, data_dir, tmp_path):
    out = tmp_path / "out"
    files = {"vocab_file": tiny + "/vocab.txt", "bert_config_file": tiny + "/bert_config.json"}
    for changes, message in [
        ({"bert_hub_module_handle": "/nowhere"}, "/nowhere: no such folder: give the folder of a TF Hub module"),
        ({"bert_hub_module_handle": tiny}, f"{tiny}: not a TF Hub module"),
        ({"bert_hub_module_handle": "ftp://127.0.0.1/bert"}, "ftp://127.0.0.1/bert: not a TF Hub module"),
        (dict(files, bert_hub_module_handle=module), "--bert_config_file and --bert_hub_module_handle: give one"),
        ({"bert_hub_module_handle": module, "init_checkpoint": tiny + "/bert_model.ckpt"}, "give one; beside a module"),
        ({"bert_hub_module_handle": module, "max_seq_length": 65}, "--max_seq_length=65: choose 3 to 64"),
        ({}, "--bert_config_file is required, or --bert_hub_module_handle in its place"),
    ]:
        assert message in fails("run_classifier.py", *flags(data_dir, out, **changes))
    assert not out.exists()


@pytest.fixture
def server(module, tmp_path, monkeypatch):
    """Serves the module as tfhub.dev does, and worse ones; yields its URL and the list of what it was asked for.

    /page is HTML with status 200, /cut half of the module's archive, /broken one with half of its variables, /bare one
    without its vocabulary, /stall half of it and then silence, but the whole module once `stalled` is there.
    """
    bare = shutil.copytree(module, str(tmp_path / "without"))
    shutil.rmtree(os.path.join(bare, "assets"))
    broken = shutil.copytree(module, str(tmp_path / "half"))
    variables = os.path.join(broken, "variables", "variables.data-00000-of-00001")
    os.truncate(variables, os.path.getsize(variables) // 2)
    for name, folder in (("bert", module), ("bare", bare), ("broken", broken)):
        with tarfile.open(str(tmp_path / name), "w:gz") as archive:
            archive.add(folder, ".")
    whole = (tmp_path / "bert").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "stall").write_bytes(whole)
    (tmp_path / "page").write_text("<html>Not here</html>")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("OFFLINE", raising=False)
    asked, end = [], threading.Event()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if not self.path.startswith("/stall") or (tmp_path / "stalled").exists():
                return super().do_GET()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2])
            (tmp_path / "stalled").write_text("")
            end.wait(60)

        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        httpd.daemon_threads = True
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", asked
        end.set()
        httpd.shutdown()


def in_cache(tmp_path):
    """Returns the names that tensorflow-hub's cache has, but for the descriptions that it leaves beside modules."""
    return [name for name in os.listdir(str(tmp_path / "cache")) if not name.endswith(".txt")]


@pytest.mark.process
def test_a_module_is_fetched_from_its_url_once_and_then_there_without_a_network(server, module, tmp_path, monkeypatch):
    url, asked = server
    done = run("-m", "tf1.hub", "describe", url + "/bert", str(tmp_path / "one"))
    assert done.returncode == 0, done.stderr
    with open(os.path.join(module, "assets", "vocab.txt")) as file:
        assert (tmp_path / "one" / "vocab.txt").read_text() == file.read()
    monkeypatch.setenv("OFFLINE", "1")
    done = run("-m", "tf1.hub", "describe", url + "/bert", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    line = fails("-m", "tf1.hub", "describe", url + "/page", str(tmp_path / "three"))
    assert f"{url}/page: is not in {tmp_path}/cache, and OFFLINE=1" in line
    assert asked == ["/bert?tf-hub-format=compressed"]


@pytest.mark.process
@pytest.mark.parametrize(
    "path, message",
    [
        ("/page", "not a TF Hub module ("),
        ("/cut", "not a TF Hub module ("),
        ("/broken", "not a TF Hub module ("),
        ("/bare", "not a TF Hub module ("),
        ("/missing", "cannot download it (HTTP Error 404: File not found)"),
        ("/stall", "cannot download it (no data for 0.5 s)"),
    ],
)
def test_a_bad_download_is_one_clear_line_and_leaves_nothing(path, message, server, tmp_path):
    url, _ = server
    line = fails("-m", "tf1.hub", "describe", "--timeout=0.5", url + path, str(tmp_path / "out"))
    assert f"{url}{path}: {message}" in line
    assert not (tmp_path / "out").exists() and not in_cache(tmp_path)


@pytest.mark.process
def test_without_a_network_it_is_one_clear_line(server, tmp_path):
    line = fails("-m", "tf1.hub", "describe", "http://127.0.0.1:9/bert", str(tmp_path / "out"))
    assert "http://127.0.0.1:9/bert: cannot download it (" in line and "Connection refused" in line
    assert not in_cache(tmp_path)


@pytest.mark.process
def test_nothing_waits_for_a_download_that_was_killed(server, tmp_path):
    command = [sys.executable, "-m", "tf1.hub", "describe", server[0] + "/stall", str(tmp_path / "out")]
    process = subprocess.Popen(command, cwd=ROOT)
    while not (tmp_path / "stalled").exists():
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert sorted(name.split(".")[-1] for name in in_cache(tmp_path)) == ["lock", "tmp"]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, timeout=LONG)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "vocab.txt").exists() and len(in_cache(tmp_path)) == 1

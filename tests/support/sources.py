"""Servers that play Google's, Hugging Face's, Stanford's and TF Hub's, in small, and what goes wrong with them."""

import hashlib
import http.server
import json
import subprocess
import tarfile
import threading
import zipfile

from checkout import ROOT, clean_environment

XML = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>AccessDenied</Code></Error>"
PAGE = b"<!doctype html><title>Please sign in</title>"
# By the last number of its loopback address, so that SOURCE= can tell one host from another.
PLAYED = {
    "google": (1, "https://storage.googleapis.com"),
    "huggingface": (2, "https://huggingface.co"),
    "stanford": (3, "https://ai.stanford.edu"),
    "tfhub": (4, "https://tfhub.dev"),
}
PARQUET = """
import json, sys
import pyarrow as pa, pyarrow.parquet as pq
for split in ("train", "test"):
    rows = [json.loads(line) for line in open(f"{sys.argv[1]}/{split}.jsonl")][::-1]
    table = pa.table({"text": [row["review"] for row in rows], "label": [row["label"] for row in rows]})
    pq.write_table(table, f"{sys.argv[2]}/{split}-00000-of-00001.parquet")
"""


class Source(http.server.ThreadingHTTPServer):
    """Serves {path: bytes} as `files`, with a `fault`: forbidden, missing, login, other, half; notes what is asked."""

    daemon_threads = True

    def __init__(self, number):
        super().__init__((f"127.0.0.{number}", 0), Handler)
        self.files, self.fault, self.asked = {}, None, []
        self.url = f"http://127.0.0.{number}:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()

    def leave(self):
        """No longer answers at all."""
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        path, fault = self.path.split("?")[0], self.server.fault
        self.server.asked.append(path)
        data = PAGE if path == "/login" else self.server.files.get(path)
        if path != "/login" and fault == "login":
            self.send_response(302)
            self.send_header("Location", "/login")
            self.end_headers()
            return
        status = 403 if fault == "forbidden" else 404 if fault == "missing" or data is None else 200
        if status != 200:
            data = XML
        elif fault == "other":
            data = data[:99] + bytes([data[99] ^ 1]) + data[100:]
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "text/html" if data is PAGE else "application/octet-stream")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if fault == "half" else data)


def write_corpus(examples, folder):
    """Writes the examples of a folder as Stanford's tar and as Hugging Face's parquet files; returns their bytes."""
    for split in ("train", "test"):
        for i, line in enumerate((examples / f"{split}.jsonl").open()):
            row = json.loads(line)
            path = folder / "aclImdb" / split / ("neg", "pos")[row["label"]] / f"{i}_{9 if row['label'] else 2}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(row["review"])
    with tarfile.open(folder / "aclImdb_v1.tar.gz", "w:gz") as archive:
        archive.add(folder / "aclImdb", "aclImdb")
    (folder / "plain_text").mkdir()
    call("openvino-current", "-c", PARQUET, examples, folder / "plain_text")
    parquet = {f"plain_text/{path.name}": path.read_bytes() for path in (folder / "plain_text").iterdir()}
    return {"aclImdb_v1.tar.gz": (folder / "aclImdb_v1.tar.gz").read_bytes()}, parquet


def write_weights(pretrained, folder, name):
    """Writes a pretrained folder as Google's zip `name` and as Hugging Face's files; returns their bytes."""
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
        for path in sorted(pretrained.iterdir()):
            archive.write(path, f"{name}/{path.name}")
    call("tf1", "tests/pipeline/play_weights.py", pretrained, folder / "huggingface")
    theirs = {path.name: path.read_bytes() for path in (folder / "huggingface").iterdir()}
    return {f"{name}.zip": (folder / f"{name}.zip").read_bytes()}, theirs


def call(environment, *command):
    python = ROOT / ".tox" / environment / "bin/python"
    subprocess.run(
        [python, "-W", "ignore", *command], cwd=ROOT, env=clean_environment(), check=True, capture_output=True
    )


def listed(archive, files, is_folder):
    """Returns the lines of checksums of an archive's bytes, or of a folder of {name: bytes}."""
    names = {f"{archive}/{name}" if is_folder else archive: data for name, data in files.items()}
    return [f"sha256:{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in names.items()]


class Played:
    """The sources of multilingual and uncased in small; `give(checkout)` makes a checkout's profiles ask them."""

    def __init__(self, tiny, folder):
        self.servers = {name: Source(number) for name, (number, _) in PLAYED.items()}
        self.folder, self.config = folder, (tiny / "build/tiny/pretrained/bert_config.json").read_bytes()
        zipped, weights = write_weights(tiny / "build/tiny/pretrained", folder, "multilingual_L-12_H-768_A-12")
        tar, parquet = write_corpus(tiny / "build/tiny/reviews", folder)
        (zip_bytes,) = zipped.values()
        self.lines = listed("aclImdb_v1.tar.gz", tar, False) + listed("aclImdb_v1-huggingface", parquet, True)
        for profile in ("multilingual", "uncased"):
            name = f"{profile}_L-12_H-768_A-12"
            self.lines += listed(f"{name}.zip", {"": zip_bytes}, False) + listed(f"{name}-huggingface", weights, True)
            date = "2018_11_03" if profile == "multilingual" else "2018_10_18"
            self.servers["google"].files[f"/bert_models/{date}/{name}.zip"] = zip_bytes
        self.servers["stanford"].files["/~amaas/data/sentiment/aclImdb_v1.tar.gz"] = tar["aclImdb_v1.tar.gz"]
        self.at_huggingface = {"uncased": weights, "imdb": parquet}  # by what its repositories' names end with

    def give(self, checkout):
        theirs = self.servers["huggingface"].files
        for path in (checkout / "profiles").glob("*.mk"):
            text = path.read_text()
            for name, (_, host) in PLAYED.items():
                text = text.replace(host, self.servers[name].url)
            path.write_text(text)
            for word in text.split():
                for end, files in self.at_huggingface.items():
                    if f"{end}/resolve/" in word:
                        prefix = word.removeprefix(self.servers["huggingface"].url)
                        theirs.update({f"{prefix}/{name}": data for name, data in files.items()})
        for profile in ("multilingual", "uncased"):
            (checkout / "profiles" / f"{profile}.json").write_bytes(self.config)
        kept = [line for line in (checkout / "inputs/checksums.txt").open() if ".whl" in line]
        (checkout / "inputs/checksums.txt").write_text("".join(kept + self.lines))
        return checkout

    def leave(self):
        for server in self.servers.values():
            server.leave()

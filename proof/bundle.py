"""A build as one file for a paper's artifact, .tar.zst: python -m proof.bundle pack|unpack|verify, which Make calls.

What is in it has the checkout's own relative paths: results, records, logs, pins, patch, an RO-Crate that says what is
what, and an in-toto Statement for each record. Weights and data sets are others', or derived from theirs: their digests
are in the records. The same build gives the same bytes. Runs in the bundle environment.
"""

import argparse
import glob
import hashlib
import io
import os
import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import zstandard
from digests import RECORD

from infer.text.script import run
from proof.build import Build
from proof.crate import METADATA, read_crate, write_crate
from proof.differences import read_digest
from proof.statement import write_statement

TIME = 315532800  # 1980-01-01, as in make wheel
LEVEL = 19
# What a bundle may hold, so that a small file can't fill the disk or the memory.
MAX_FILES, MAX_FILE, MAX_TOTAL = 10_000, 1 << 28, 1 << 30
WINDOW = 1 << 27
CHUNK = 1 << 10  # bytes that are decompressed at once: at most 32 MB come of them
# Of what stages made: results and logs, neither weights nor reviews.
RESULTS = re.compile(
    r"(seeds/\d+/)?(result[12]/(eval_results|eval_by_label|labels)\.txt|result[12]/(eval/)?events\.out\.tfevents\..*"
    r"|ablation/.*\.(md|svg|png|json|tsv)|(ablation/[^/]*/)?mo\.log)"
    r"|int8/results\.txt|calibration/(temperature\.json|results\.txt)|(predict|heldout)/tensorflow/test_results\.tsv"
    r"|by-length/.*\.(tsv|json)|huggingface/README\.md"
)
PREDICTED = re.compile(r"(predict|old-stack)/(openvino|tensorflow/predictions)\.txt")  # which quote REVIEWS=
COMPARED = re.compile(r"compare/.*")  # which quotes these, and some of the test reviews
REVIEWS = "infer/reviews.txt"
CHECKOUT_FILES = ("requirements/*.in", "requirements/*.txt", "patches/*.patch", "profiles/*", "inputs/checksums.txt")
CHECKOUT_FILES += (REVIEWS, "Makefile", "LICENSE", "CITATION.cff")
STATEMENTS = "attestations"


def choose_files(build):
    """Returns {name in the bundle: path} of what there is to pack, but for the crate and the Statements."""
    files = {name: name for pattern in CHECKOUT_FILES for name in glob.glob(pattern)}
    for name, record in build.records.items():
        files[f"{build.out}/{name}{RECORD}"] = os.path.join(build.folder, name + RECORD)
        for file in record["outputs"]:
            below = os.path.relpath(file, build.out)
            if RESULTS.fullmatch(below) or quotes_none_of_others(build, below):
                files[file] = os.path.join(build.folder, below)
        # What it read that other folders have records of: archives, and weights that builds share.
        for file in record["inputs"]:
            for path in (file + RECORD, os.path.dirname(file) + RECORD):
                if os.path.isfile(path):
                    files[path] = path
    return files


def quotes_none_of_others(build, below):
    """Tells whether a file of predictions, or of the comparison, has no texts but this repository's or a corpus's."""
    read = build.records.get("predict/openvino", {"inputs": ()})["inputs"]
    sampled = build.records.get("reviews", {"inputs": ()})["inputs"]
    is_corpus = any("/downloads/" in file for file in sampled)
    return REVIEWS in read and (PREDICTED.fullmatch(below) or (COMPARED.fullmatch(below) and is_corpus))


def pack(out, bundle):
    """Writes a bundle of a build; the build is as recorded, as make verify has found before."""
    build = Build(out, out, True)
    content = {name: Path(path).read_bytes() for name, path in choose_files(build).items()}
    for name, record in build.records.items():
        content[f"{STATEMENTS}/{name}.intoto.json"] = write_statement(record).encode()
    described = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in content.items()}
    content[METADATA] = write_crate(out, described, build.records).encode()
    os.makedirs(os.path.dirname(bundle), exist_ok=True)
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    packed = io.BytesIO()  # a few MB
    with compressor.stream_writer(packed, closefd=False) as stream:
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for name, data in sorted(content.items()):
                member = tarfile.TarInfo(f"{os.path.basename(out)}/{name}")
                member.size, member.mtime, member.mode = len(data), TIME, 0o644
                archive.addfile(member, io.BytesIO(data))
    part = bundle + ".part"
    try:
        Path(part).write_bytes(packed.getvalue())
        os.replace(part, bundle)
    finally:
        Path(part).unlink(missing_ok=True)
    print(f"{bundle}: {len(build.records)} records, {len(content)} files, {os.path.getsize(bundle) / 1e6:.1f} MB")


class Decompressed:
    """What a zstd frame holds, as a file to read once, in bounded memory.

    Raises: ValueError if it is cut, longer than MAX_TOTAL, or something follows it; ZstdError if it is broken.
    """

    def __init__(self, file):
        self.file = file
        self.frame = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj()
        self.found = io.BytesIO()
        self.total = 0

    def read(self, size):
        data = b""
        while len(data) < size:
            if more := self.found.read(size - len(data)):
                data += more
            elif self.frame.eof:
                break
            elif chunk := self.file.read(CHUNK):
                self.found = io.BytesIO(self.frame.decompress(chunk))
                self.total += len(self.found.getbuffer())
            else:
                raise ValueError("is cut: copy it again")
            if self.total > MAX_TOTAL:
                raise ValueError(f"takes more than {MAX_TOTAL >> 20} MB, as no bundle of make bundle does")
        return data

    def end(self):
        """Reads up to the checksum at the end."""
        while self.read(1 << 20):
            pass
        if self.frame.unused_data or self.file.read(1):
            raise ValueError("has something behind its end: copy it again")


def read_members(file):
    """Yields (name, bytes) of a bundle's files, without the folder that all lie in.

    Raises: ValueError, with one line, tarfile.TarError or ZstdError, if it is none.
    """
    seen, top = set(), None
    stream = Decompressed(file)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            first, _, name = member.name.partition("/")
            top = top or first
            plain = name and os.path.normpath(member.name) == member.name and member.name.isprintable()
            if not plain or first != top or first in ("", "..") or "\\" in name or name in seen:
                raise ValueError(f"has a file named {ascii(member.name)[:200]}, as make bundle names none")
            if not member.isreg() or member.sparse:
                raise ValueError(f"{ascii(name)[:200]} in it is no plain file")
            if member.size > MAX_FILE or len(seen) == MAX_FILES:
                raise ValueError(f"has more than {MAX_FILES} files, or one of more than {MAX_FILE >> 20} MB")
            seen.add(name)
            data = archive.extractfile(member).read()
            if len(data) != member.size:
                raise ValueError("is cut")
            yield name, data
    stream.end()


def unpack(bundle, folder):
    """Unpacks a bundle into a folder that is not there yet; exits with one line, and without it, if it is none."""
    part = folder + ".part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        with open(bundle, "rb") as file:
            for name, data in read_members(file):
                path = os.path.join(part, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "xb") as out:
                    out.write(data)
        listed = read_crate(read_text(os.path.join(part, METADATA)))
        wrong = [name for name in listed if read_digest(os.path.join(part, name)) != listed[name]]
        if wrong:
            raise ValueError(f"{ascii(wrong[0])[:200]} is not in it, or not as its {METADATA} has it")
        os.replace(part, folder)
    except (zstandard.ZstdError, tarfile.TarError, EOFError) as error:
        sys.exit(f"{bundle}: cut, damaged or not a bundle of make bundle ({str(error).splitlines()[0]}): copy it again")
    except ValueError as error:
        sys.exit(f"{bundle}: {error}")
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        sys.exit(f"{bundle}: has one name twice ({error.strerror})")
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_text(path):
    """Returns the text of a file, or an empty one where there is none."""
    return Path(path).read_text(encoding="utf-8") if os.path.isfile(path) else ""


def find_differences(build, root):
    """Yields in words what in an unpacked bundle does not fit together.

    Args:
      build: the Build in it.
      root: the folder that it was unpacked into.
    """
    made = {file: sha256 for record in build.records.values() for file, sha256 in record["outputs"].items()}
    listed = read_crate(read_text(os.path.join(root, METADATA)))
    for name in sorted({*find_names(root)} - {*listed, METADATA}):
        yield f"{name}: not in its {METADATA}"
    for name, record in build.records.items():
        for file, sha256 in record["outputs"].items():
            if file in listed and listed[file] != sha256:
                yield f"{file}: is not as {name} made it"
        for file, sha256 in record["inputs"].items():
            if made.get(file, sha256) != sha256 or listed.get(file, sha256) != sha256:
                yield f"{file}: is not as {name} read it"
        try:
            same = read_text(os.path.join(root, STATEMENTS, f"{name}.intoto.json")) == write_statement(record)
        except ValueError:
            same = False
        if not same:
            yield f"{STATEMENTS}/{name}.intoto.json: does not say what the record of {name} says"


def find_names(root):
    """Returns the names of all files below a folder."""
    return [os.path.relpath(os.path.join(parent, name), root) for parent, _, names in os.walk(root) for name in names]


def check(bundle, out):
    """Checks a bundle, in a scratch folder beside the builds; exits with a line for each difference."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(out), prefix="verify-", suffix=".part") as scratch:
        root = os.path.join(scratch, "bundle")
        unpack(bundle, root)
        build = open_build(bundle, out, root)
        differences = list(find_differences(build, root))
        named = {file for record in build.records.values() for file in record["outputs"]}
        there = sum(os.path.isfile(os.path.join(root, file)) for file in named)
    summary = f"{len(build.records)} records, {len(named)} files that they made, {there} of them in it"
    if differences:
        sys.exit("\n".join([*differences, f"{bundle}: {summary}: {len(differences)} differences"]))
    print(f"{summary}: all as recorded")


def open_build(bundle, out, root):
    """Returns the Build in an unpacked bundle; exits with one line if it is of another folder."""
    folder = os.path.join(root, out)
    if not os.path.isdir(folder):
        sys.exit(f"{bundle}: has no {out}: give PROFILE=, and DATA_DIR= and the like, as the build was made with")
    return Build(out, folder, False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    packing = actions.add_parser("pack", help="write a bundle of a build")
    packing.add_argument("out", help="the build's folder, such as build/tiny")
    packing.add_argument("bundle", help="the file to write, .tar.zst")
    unpacking = actions.add_parser("unpack", help="unpack a bundle")
    unpacking.add_argument("bundle", help="the file")
    unpacking.add_argument("folder", help="the folder to make of it")
    checking = actions.add_parser("verify", help="does what is in a bundle fit together")
    checking.add_argument("bundle", help="the file")
    checking.add_argument("out", help="the build's folder by the names in its records")
    args = parser.parse_args()
    if args.action == "pack":
        pack(args.out, args.bundle)
    elif args.action == "unpack":
        unpack(args.bundle, args.folder)
    else:
        check(args.bundle, args.out)


if __name__ == "__main__":
    run(main)

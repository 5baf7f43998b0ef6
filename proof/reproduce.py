"""Makes every stage of a build's records again and compares: python -m proof.reproduce build/tiny, which Make calls.

Each stage is made by the checkout's own Makefile, never by a record's command, in a copy of the checkout at the same
relative paths, from the inputs that its record names: those that the build has, so that each stage is judged alone;
of a bundle, which has no weights, those that the stages before it have just made. Runs in the tools environment.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from digests import CHECKOUT, RECORD, digests, name_of
from record import compare_commands, read_record
from run import read_cpu
from stage import write_command

from infer.text.script import run
from proof.build import Build
from proof.differences import Difference, differ, read_digest, stable_name, unstable

COPIED = (
    *("GNUmakefile", "Makefile", "LICENSE", "pyproject.toml", "tox.ini", "mk", "profiles", "patches", "requirements"),
    *("tf1", "inputs", "infer", "export", "report", "bench", "proof", "tests"),
)
# Of a stage that trains in several threads, or that follows from one: what may differ, and by how much.
WITHIN = 0.001
OTHER = "other bytes"
SHOWN = 2  # differing files of a stage, in the table
HERE = "reproduce"
LARGE = re.compile(r"model\.ckpt-\d+\.")
STUDIES = re.compile(r"(ablation|seeds)/|compare$")  # which call Make for each checkpoint that they compare
DRAWN = re.compile(r"(^|/)with-dropout/probabilities$")  # dropout answers otherwise each time that it is asked


class Stage(NamedTuple):
    """What the Makefile has of a stage: a goal that leads to it, its record, its environments' stamps, its command."""

    goal: str
    record: str
    stamps: list
    command: str


class Row(NamedTuple):
    """A stage made again: what came of it, what it promises, and whether it keeps that."""

    name: str
    files: int
    result: str
    promise: str
    kept: bool


def copy_checkout(scratch, downloads):
    """Copies what stages are made with into a folder; environments and downloads are links to this checkout's."""
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    scripts = [name for name in sorted(os.listdir(CHECKOUT)) if name.endswith(".py")]
    for name in (*COPIED, *scripts):
        path = os.path.join(CHECKOUT, name)
        if os.path.isdir(path):
            shutil.copytree(path, os.path.join(scratch, name), ignore=shutil.ignore_patterns("__pycache__"))
        elif os.path.isfile(path):
            shutil.copy(path, scratch)
    os.symlink(os.path.join(CHECKOUT, ".tox"), os.path.join(scratch, ".tox"))
    os.makedirs(os.path.dirname(os.path.join(scratch, downloads)), exist_ok=True)
    os.symlink(os.path.realpath(downloads), os.path.join(scratch, downloads))


def link_given(scratch, paths, build):
    """Puts links into the copy to what the user gave by a path relative to the checkout."""
    for path in paths:
        if os.path.isabs(path) or "://" in path or name_of(path).startswith(f"{build}/"):
            continue
        path = path if os.path.exists(path) else os.path.dirname(path)  # model.ckpt-N is the beginning of names
        place = os.path.normpath(os.path.join(scratch, path))
        if not place.startswith(os.path.dirname(os.path.dirname(scratch))):
            sys.exit(f"{path}: is too far from the checkout: give it by its whole path, as the build was made")
        if path and not os.path.lexists(place):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.symlink(os.path.realpath(path), place)


def call_make(folder, *words, **options):
    """Runs make with this make's variables and none of its options; returns the finished process."""
    variables = os.environ.get("MAKEFLAGS", "").partition("-- ")[2]
    environment = os.environ | {"MAKEFLAGS": f" -- {variables}" if variables else "", "MAKELEVEL": "0"}
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", *words, "MAKE_LOCKED=yes"]
    return subprocess.run(command, cwd=folder, env=environment, **options)


def list_stages(scratch, goals, wanted):
    """Returns {record's path: Stage} of the Makefile in the copy, in their order, until all wanted are among them."""
    listed = os.path.join(scratch, "listed.part")
    stages = {}
    for goal in goals:
        if set(wanted) <= {*stages}:
            break
        Path(listed).unlink(missing_ok=True)
        words = ("--dry-run", "--silent", *goal.split(), "ALONE=none", f"STAGES_IN={os.path.basename(listed)}")
        done = call_make(scratch, *words, capture_output=True, text=True, errors="surrogateescape")
        said = [line for line in done.stderr.splitlines() if "***" in line]
        if done.returncode and not stages:  # a later one may lack what no record speaks of, such as another seed's run
            sys.exit(said[0] if said else f"make {goal} could not be read")
        for line in Path(listed).read_text(errors="surrogateescape").splitlines() if os.path.isfile(listed) else ():
            record, stamps, command = line.split("|", 2)
            stages.setdefault(record, Stage(goal, record, stamps.split(), write_command(command)))
    return stages


def is_trained_in_threads(words):
    """Tells whether a command trains with what adds up in another order each time."""
    return "--do_train=true" in words and ("--deterministic" not in words or "tf1.launch" in words)


def choose(build, words):
    """Returns the names of the stages to judge, those of STAGES="pb fc", or all; of a bundle, also what they need."""
    known = [name for name in build.records if build.whole or not STUDIES.match(name)]
    matches = {
        word: [name for name in known if name in (word, f"predict/{word}") or name.startswith(f"{word}/")]
        for word in words
    }
    if unknown := [word for word in words if not matches[word]]:
        sys.exit(f"STAGES={unknown[0]}: {build.folder} has no record of it: choose from {', '.join(known)}")
    chosen = {name for found in matches.values() for name in found} if words else {*known}
    while not build.whole:
        read = {file for name in chosen for file in build.records[name]["inputs"]}
        more = {name for name, record in build.records.items() if read.intersection(record["outputs"])} - chosen
        if not more:
            break
        chosen |= more
    return chosen


def small(files):
    """Returns those of {name: SHA-256} that are no checkpoint."""
    return {name: sha256 for name, sha256 in files.items() if not LARGE.search(name)}


def place_inputs(build, record, scratch, top):
    """Copies into the scratch folder what a stage reads, as recorded. Returns what is not as recorded, in words.

    With each file come those that were made with it, as features.json stands for the TFRecord files beside it; but for
    other checkpoints, which are large.
    """
    if not build.whole:
        return []
    wanted = {file: sha256 for file, sha256 in record["inputs"].items() if file.startswith(f"{top}/")}
    for other in build.records.values():
        if wanted.keys() & other["outputs"].keys():
            wanted = small(other["outputs"]) | wanted
    wrong = []
    for name, sha256 in wanted.items():
        place = os.path.join(scratch, name)
        path = None if name.startswith(f"{top}/downloads/") else build.find(name, sha256)
        if path and read_digest(place) != sha256:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copyfile(path, place)
            if read_digest(place) != sha256:
                wrong.append(f"{name} is not what it read")
    return wrong


def remove_outputs(record, scratch):
    """Removes what a stage has made, so that nothing of it is taken for made anew."""
    for name in record["outputs"]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(scratch, name))


def compare(build, record, made, scratch):
    """Returns ([Difference] of what a stage made again, how many files are the same but for what does not count).

    Args:
      record: the stage's, of the build.
      made: its new record, in the scratch folder.
    """
    old, new = ({stable_name(name): name for name in each["outputs"]} for each in (record, made))
    found, alike, said = [], 0, set()
    for name in sorted({*old, *new}):
        if name not in new or name not in old:
            found.append(Difference(name, "is not made any more" if name in old else "is made now, and was not"))
            continue
        before, after = record["outputs"][old[name]], made["outputs"][new[name]]
        path = build.find(old[name], before)
        if path and read_digest(path) != before:
            found.append(Difference(name, "is no longer as recorded"))
        if before == after:
            continue
        if not path:
            found += [] if unstable(name)[0] else [Difference(name, OTHER)]
            continue
        difference = differ(name, path, os.path.join(scratch, new[name]))
        if not difference.text:
            alike += 1
        elif difference[1:] not in said:  # the files of a checkpoint say the same
            found.append(difference)
            said.add(difference[1:])
    return found, alike


def judge(build, name, made, scratch, loose, drawn):
    """Returns the Row of a stage that was made again.

    Args:
      made: its new record.
      loose: names of files that may differ, as what made them was trained in threads; what it made is added.
      drawn: the same of what dropout has drawn.
    """
    record = build.records[name]
    found, alike = compare(build, record, made, scratch)
    wrong = [] if made["parameters"] == record["parameters"] else [tell_commands(record, made["parameters"])]
    read = {file: made["inputs"].get(file) for file in record["inputs"] if file.startswith(f"{build.out}/")}
    others = {file for file in read if read[file] != record["inputs"][file] and not unstable(file)[0]}
    wrong += [f"{file} is not what it read" for file in sorted(others - loose - drawn)]
    if DRAWN.search(name) or others & drawn:
        promise = "none: dropout draws anew"
        drawn.update(record["outputs"])
        kept = not DRAWN.search(name) or all(each.amount is not None for each in found)
    elif is_trained_in_threads(made["command"]) or others & loose:
        promise = f"within {WITHIN}" + (", as what it reads" if others & loose else "")
        loose.update(record["outputs"])
        judged = [each for each in found if build.whole or each.amount is not None]
        kept = all(each.amount is not None and each.amount <= WITHIN for each in judged)
    else:
        promise, kept = "the same bytes", not found
    files = len(made["outputs"])
    result = "identical" + (f"; {alike} of them but for times and random names" if alike else "")
    if wrong or found:
        told = [*wrong, *(f"{os.path.relpath(each.name, build.out)}: {each.text}" for each in found)]
        more = [f"and {len(told) - SHOWN} more"] if len(told) > SHOWN else []
        result = "; ".join([*told[:SHOWN], *more])
    return Row(name, files, result, promise, kept and not wrong)


def tell_commands(record, command):
    """Returns how a recorded command differs from what the Makefile would run, in words fit to print."""
    with contextlib.suppress(ValueError):
        told = compare_commands(record["parameters"], command)
        return printable(told)
    return "its command is none"


def printable(text):
    """Returns what is said of a record without what a terminal would act on."""
    return "".join(character if character.isprintable() else "?" for character in text)


def remake(build, name, stage, scratch, top, stages):
    """Makes a stage again in the scratch folder. Returns (its new record or None, what is wrong in words)."""
    record = build.records[name]
    wrong = place_inputs(build, record, scratch, top)
    for file in record["inputs"]:
        source = stages.get(os.path.dirname(file) + RECORD)  # such as pretrained, which another build shares
        if source and not os.path.exists(os.path.join(scratch, file)):
            call_make(scratch, *source.goal.split(), f"ALONE={source.record}")
    lacking = [file for file in record["inputs"] if file.startswith(f"{top}/")]
    if lacking := [file for file in lacking if not os.path.exists(os.path.join(scratch, stable_file(scratch, file)))]:
        return None, [f"{lacking[0]}, which it read, is not there"]
    remove_outputs(record, scratch)
    Path(scratch, stage.record).unlink(missing_ok=True)
    if code := call_make(scratch, *stage.goal.split(), f"ALONE={stage.record}").returncode:
        return None, [*wrong, f"failed with {code}"]
    made, broken = read_record(os.path.join(scratch, stage.record))
    return made, [*wrong, *([broken] if broken else [])]


def stable_file(scratch, name):
    """Returns the name by which a file that a stage read is in the scratch folder."""
    folder = os.path.join(scratch, os.path.dirname(name))
    if os.path.isdir(folder):
        for other in os.listdir(folder):
            if stable_name(other) == stable_name(os.path.basename(name)):
                return os.path.join(os.path.dirname(name), other)
    return name


def set_aside(made, scratch, aside):
    """Moves what a stage made to a folder of its own."""
    for file in made["outputs"]:
        os.makedirs(os.path.dirname(os.path.join(aside, file)), exist_ok=True)
        os.replace(os.path.join(scratch, file), os.path.join(aside, file))


def place_record(build, name, scratch):
    """Copies a stage's record of the build into the scratch folder, as a model card quotes it."""
    place = os.path.join(scratch, build.out, name + RECORD)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    shutil.copyfile(os.path.join(build.folder, name + RECORD), place)


def print_table(rows):
    """Prints the rows below each other, the columns but the last as wide as their widest."""
    cells = [("stage", "files", "kept", "promises", "made again")]
    cells += [
        (row.name, str(row.files), "yes" if row.kept else "NO", row.promise, printable(row.result)) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip(), flush=True)


def tell_origin(build, names):
    """Prints which machine, commit and code a build is of, beside those here."""
    records = [build.records[name] for name in names]
    for what, key, here in (("CPU", "cpu", read_cpu()), ("cores", "cores", len(os.sched_getaffinity(0)))):
        recorded = sorted({str(record.get(key)) for record in records} - {str(here)})
        if recorded:
            print(printable(f"made with {what} {', '.join(recorded)}, here it is {here}"))
    read = {file: sha256 for record in records for file, sha256 in record["inputs"].items()}
    ours = {file: sha256 for file, sha256 in read.items() if not file.startswith(os.path.dirname(build.out) + "/")}
    now = digests(ours)
    if changed := sorted(file for file in ours if now.get(file) != ours[file]):
        print(printable(f"made with other code or pins than this checkout's: {', '.join(changed)}"))


def unpack(bundle, out, folder):
    """Unpacks a bundle into a folder; returns where the build is in it."""
    if subprocess.run([".tox/bundle/bin/python", "-m", "proof.bundle", "unpack", bundle, folder]).returncode:
        shutil.rmtree(os.path.dirname(folder), ignore_errors=True)
        sys.exit(1)
    if not os.path.isdir(os.path.join(folder, out)):
        sys.exit(f"{bundle}: has no {out}: give PROFILE=, and DATA_DIR= and the like, as the build was made with")
    return os.path.join(folder, out)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="the build's folder by the names in its records, such as build/tiny")
    parser.add_argument("--source", help="where it lies, or a bundle of it (default: there)")
    parser.add_argument("--build", default="build", help="the folder of all that is made")
    parser.add_argument("--stages", nargs="*", default=[], help="the stages to make again (default: all)")
    parser.add_argument("--goals", nargs="+", required=True, help="Make's goals that lead to them, `:` between words")
    parser.add_argument("--given", nargs="*", default=[], help="paths that the user gave to Make")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if os.path.isabs(args.build) or name_of(args.build) != args.build:
        sys.exit(f"BUILD={args.build}: its stages are made again at the same path of a copy: give one in the checkout")
    here = os.path.join(CHECKOUT, args.build, HERE)
    source = args.source or args.out
    if f"{os.path.realpath(source)}/".startswith(f"{os.path.realpath(here)}/"):
        sys.exit(f"{source}: is where make reproduce works: move it to another folder")
    shutil.rmtree(here, ignore_errors=True)
    whole = not os.path.isfile(source)
    folder = source if whole else unpack(source, args.out, os.path.join(here, "bundle"))
    build = Build(args.out, folder, whole)
    chosen = choose(build, args.stages)
    scratch = os.path.join(here, "checkout")
    copy_checkout(scratch, os.path.join(args.build, "downloads"))
    link_given(scratch, args.given, args.build)
    for name in build.records if whole else ():
        place_record(build, name, scratch)
    for record in (build.records[name] for name in chosen):
        place_inputs(build, record, scratch, args.build)
    if any(map(STUDIES.match, chosen)):  # they read more of the build than they name
        for record in build.records.values():
            place_inputs(build, {"inputs": record["inputs"] | small(record["outputs"])}, scratch, args.build)
    paths = {name: f"{args.out}/{name}{RECORD}" for name in chosen}
    goals = [goal.replace(":", " ") for goal in args.goals]
    stages = list_stages(scratch, goals, paths.values())
    check_commands(build, paths, stages, whole or not args.given)
    make_ready(build, paths, stages, args.build)

    rows, loose, drawn = [], set(), set()
    order = [name for record in stages for name in chosen if paths[name] == record]
    for number, name in enumerate(order, 1):
        print(f"reproduce: {name}, {number} of {len(order)}", flush=True)
        made, wrong = remake(build, name, stages[paths[name]], scratch, args.build, stages)
        if made:
            row = judge(build, name, made, scratch, loose, drawn)
            if wrong and row.kept:
                row = row._replace(result="; ".join([*wrong, row.result]), kept=False)
            if whole and not row.kept:
                set_aside(made, scratch, os.path.join(here, "made"))
        else:
            row = Row(name, 0, "; ".join(wrong), "the same bytes", False)
        rows.append(row)
        if whole:
            place_record(build, name, scratch)
    tell_origin(build, order)
    print_table(rows)
    finish(rows, here, whole)


def check_commands(build, paths, stages, known):
    """Exits if a record is of no stage of the Makefile, or its command not what the Makefile would run.

    Args:
      known: whether all is there that a command depends on, such as how many texts there are.
    """
    wrong = []
    for name, path in paths.items():
        if path not in stages:
            wrong.append(f"{name}: no stage of this checkout's Makefile leaves such a record")
        elif known and build.records[name]["parameters"] != stages[path].command:
            wrong.append(f"{name}: {tell_commands(build.records[name], stages[path].command)}")
    if wrong:
        sys.exit("\n".join([*wrong, f"{build.folder}: not made with this: give the variables that it was made with"]))


def make_ready(build, paths, stages, top):
    """Makes the environments and fetches the archives that stages need, in the checkout itself."""
    stamps = {stamp for path in paths.values() for stamp in stages[path].stamps}
    archives = {
        file
        for name in paths
        for file in build.records[name]["inputs"]
        if file.startswith(f"{top}/downloads/") and file + RECORD in stages
    }
    if call_make(CHECKOUT, "--silent", *sorted(stamps), *sorted(archives)).returncode:
        sys.exit(1)


def finish(rows, here, whole):
    """Says what came of it, leaves what is worth a look, and exits with 1 unless all promises were kept."""
    broken = [row.name for row in rows if not row.kept]
    if not broken:
        shutil.rmtree(here)
        print(f"{len(rows)} stages: all as promised")
        return
    if whole:
        shutil.rmtree(os.path.join(here, "checkout"))
    left = os.path.relpath(os.path.join(here, "made" if whole else "checkout"), CHECKOUT)
    sys.exit(f"{len(rows)} stages: {len(broken)} not as promised: {', '.join(broken)}: see {left}")


if __name__ == "__main__":
    run(main)

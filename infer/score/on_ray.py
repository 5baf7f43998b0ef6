"""Scores the windows of a file on Ray Data: --engine ray of the command, on a Ray of its own or on a cluster.

An actor for every free CPU keeps one compiled classifier. It reads a window where that begins, predicts it in the
batches that one machine would, and sends its part to the driver, the only one that writes: so each part is written
once, whatever happens to actors and machines, and when one dies Ray gives its windows to others. Every machine needs
this checkout, the input and the classifier under the same paths, as on a shared disk.
"""

import logging
import os
import signal
import sys
import threading

import ray
import ray.data
import ray.data.exceptions
from ray import cloudpickle

from infer.cluster import ROOT, TERMINAL, connected, count_free, last_line
from infer.score import run
from infer.score.files import codec_of, format_of
from infer.score.reading import open_source, options_of

SUFFIXES = (".jsonl", ".parquet")
GRACE = 4  # seconds for Ray to end


class Unscored(ValueError):
    """No answer for some windows: the message says which machine, and why."""


class Scorer:
    """An actor: scores windows one at a time with a classifier of its own. What is wrong here is part of its answer.

    Args:
      task: to_task's.
    """

    def __init__(self, task):
        # Unpickled on machines that may have no checkout: hence what is imported here.
        self.task, self.next, self.windows = task, None, None
        try:
            sys.path.insert(0, str(task["root"]))
            from infer.classifier import Classifier
            from infer.score.reading import Options, Position, open_source
            from infer.score.window import score_window
            from infer.text.files import sha256_of

            for path, sha256 in task["sha256"].items():
                if sha256_of(path) != sha256:
                    raise ValueError(f"{path}: not the same file as where the command runs")
            how = {name: task[name] for name in ("hint", "precision", "long")}
            self.classifier = Classifier(task["model"], threads=1, **how)
            if self.classifier.precision != task["computes_in"]:
                raise ValueError(f"no {task['computes_in']} here, which there is where the command runs")
            self.position, self.score_window = Position, score_window
            self.read = open_source(task["paths"], Options(**task["options"])).read
            self.wrong = ""
        except ModuleNotFoundError as error:
            self.wrong = f"{error.name} is not there: start Ray with .tox/ray/bin/ray, from {task['root']} as here"
        except (Exception, SystemExit) as error:
            self.wrong = str(error)

    def find(self, position):
        """Returns (rows, texts) of the window that begins at a Position.

        A row group of a .parquet is decoded from its beginning, so the reader is kept for the next window of it.
        """
        if self.next is None or self.next[:2] != position[:2] or self.next > position:
            self.windows = self.read(lambda *bad: None, position)
        for rows, texts, begin in self.windows:
            if begin == position:
                self.next = begin._replace(row=begin.row + 1)  # the first that the kept reader may still come to
                return rows, texts
        raise ValueError("has changed")

    def __call__(self, batch):
        """Scores one window.

        Args:
          batch: {"window", "file", "offset", "row", "size"}, each an array of one int: an index, its Position's three,
            its rows.
        Returns: the same, and "part", its bytes, "wrong", what stood against it or nothing, and "machine", its address.
        """
        part, wrong = b"", self.wrong
        try:
            if not wrong:
                rows, texts = self.find(self.position(*(int(batch[name][0]) for name in ("file", "offset", "row"))))
                if len(texts) != batch["size"][0]:
                    raise ValueError("has changed")
                how = (self.task[name] for name in ("schema", "added", "suffix"))
                part = self.score_window(self.classifier, rows, texts, *how)
        except (Exception, SystemExit) as error:
            wrong = f"{self.task['paths'][int(batch['file'][0])]}: window {batch['window'][0]}: {error}"
        import ray

        return batch | {"part": [part], "wrong": [wrong], "machine": [ray.util.get_node_ip_address()]}


def to_task(job):
    """Returns what a Scorer needs of a Job, as a dict: a class of infer could not be unpickled without a checkout."""
    return {
        "root": ROOT,
        "sha256": {path.absolute(): sha256 for path, sha256 in job.digests.items()},
        "model": job.model.absolute(),
        "hint": job.hint,
        "precision": "bf16" if job.classifier.precision == "bf16" else "fp32",  # model is that of INT8 itself
        "computes_in": job.classifier.precision,
        "long": job.classifier.long,
        "paths": [path.absolute() for path in job.paths],
        "options": job.options._replace(text_column=job.source.text_column)._asdict(),
        "schema": job.schema,
        "added": job.added,
        "suffix": job.suffix,
    }


def score_windows(job):
    """Scores the windows of a Job on the Ray that is connected.

    Yields: (index of a window, bytes of its part), as they come. Raises: Unscored.
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = -1  # a window of long texts takes a slow machine as long as it takes
    context.max_consecutive_actor_init_deaths = 10  # one that dies at its start is another's to replace, too
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    items = [{"window": i, "size": size, **position._asdict()} for i, (size, position) in job.windows.items()]
    if not items:
        return
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    scored = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        Scorer,
        fn_constructor_args=(to_task(job),),
        batch_size=1,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=min(count_free(), len(items))),
    )
    try:
        for row in scored.iter_rows():
            if row["wrong"]:
                raise Unscored(f"{row['machine']}: {' '.join(row['wrong'].split())}")
            yield row["window"], row["part"]
    except (ray.exceptions.RayError, ray.data.exceptions.SystemException, OSError, RuntimeError) as error:
        raise Unscored(f"Ray gave up: {last_line(error)}") from error


def interrupt(number, frame):
    """Ends like that of the command, but has Ray's processes end first, as far as they do so soon."""
    run.say_interrupted(TERMINAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    timer = threading.Timer(GRACE, os._exit, (130,))
    timer.daemon = True
    timer.start()
    sys.exit(130)


def score(args):
    """Scores args.input into args.output, as run.score does. Raises: SystemExit with what is wrong; OSError."""
    for path in (*args.input, args.output):
        if format_of(path) not in SUFFIXES or codec_of(path):
            sys.exit(f"{path}: Ray scores {' and '.join(SUFFIXES)} into either: leave out the engine, or convert it")
    if not open_source(args.input, options_of(args)).seekable:
        sys.exit(f"{args.input[0]}: Ray scores a .jsonl that is lines of JSON in UTF-8: leave out the engine")
    if args.device != "CPU":
        sys.exit(f"device {args.device}: Ray scores on the CPU: leave out the engine or the device")
    with connected(args.ray_address):
        try:
            count_free()  # before the file is read
            run.score(args, score_windows)
        except Unscored as error:
            sys.exit(str(error))

"""Predicts the batches on Ray Serve: --engine ray of the command, on a Ray of its own or on a cluster.

The command goes on being the server: connections, limits, token and batches are its own. A batch is given to one of
several replicas, each a process that keeps one compiled classifier. When one dies, Ray Serve starts another, and its
batch is given to the others. Every machine needs this checkout and the classifier under the same paths, as on a shared
disk.
"""

import asyncio
import contextlib
import functools
import logging
import sys
import time

import ray
from ray import cloudpickle, serve
from ray.serve.exceptions import RayServeException

from infer.cluster import ROOT, connected, count_free, last_line
from infer.text.files import sha256_of

PAUSE = 0.1  # seconds until a lost batch is given out again
ATTEMPTS = 3  # to start a replica, before it is said what is wrong
HEALTH = 1  # seconds from one look at a replica to the next
BATCHES = 2  # of a replica: while one is computed, the next is on its way, or the last one's answers
FINAL = ("ValueError: ", "ModuleNotFoundError: ")  # why a replica does not start, which is no accident
STARTED = 300  # seconds until all replicas have to answer
RELEASED = 2  # seconds until Ray knows that the CPUs of what has ended are free
QUIET = {"log_level": "CRITICAL", "enable_access_log": False}


class Replica:
    """A process with classifiers of its own.

    Args:
      task: to_task's.
    Raises: ValueError, if there is not here what there is where the command runs; as Classifier.
    """

    def __init__(self, task):
        # Unpickled on machines that may have no checkout: hence what is imported here.
        sys.path.insert(0, str(task["root"]))
        import ray

        from infer.classifier import Classifier
        from infer.serve.app import warm_up
        from infer.text.files import sha256_of

        self.classifiers = {}
        here = ray.util.get_node_ip_address()
        for name, (path, precision, computes_in, sha256) in task["classifiers"].items():
            if sha256_of(path) != sha256:
                raise ValueError(f"{here}: {path}: not the same file as where the command runs")
            classifier = Classifier(path, threads=task["threads"], precision=precision)
            if classifier.precision != computes_in:
                raise ValueError(f"{here}: no {computes_in}, which there is where the command runs")
            warm_up(classifier)
            self.classifiers[name] = classifier

    async def predict(self, name, texts):
        """Returns probabilities (texts, labels) of a list of str, by the classifier of that name."""
        return await asyncio.to_thread(self.classifiers[name].predict_window, texts)


def to_task(classifiers, threads):
    """Returns what a Replica needs of {name: Classifier}, as a dict."""
    found = {}
    for name, classifier in classifiers.items():
        path = classifier.path.absolute()
        # The path is that of INT8 itself, and the .xml has the seal of the .bin.
        precision = "bf16" if classifier.precision == "bf16" else "fp32"
        found[name] = path, precision, classifier.precision, sha256_of(path)
    return {"root": ROOT, "threads": threads, "classifiers": found}


def predict(handle, seconds, name, texts):
    """Returns probabilities (texts, labels), of the first replica that lives to answer.

    Args:
      handle: DeploymentHandle.
      seconds: float, for all of it.
      name, texts: as of Replica.predict.
    Raises: TimeoutError; what the classifier raises.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return handle.predict.remote(name, texts).result(timeout_s=max(deadline - time.monotonic(), 0))
        except TimeoutError:  # of which one is a RayError, too
            raise
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except (ray.exceptions.RayError, RayServeException):
            time.sleep(PAUSE)


def wait_for(application, threads):
    """Waits until all replicas of an application answer; exits if they don't."""
    deadline = time.monotonic() + STARTED
    while (found := serve.status().applications[application]).status != "RUNNING":
        said = [last_line(deployment.message) for deployment in found.deployments.values()]
        if found.status == "DEPLOY_FAILED" or any(line.startswith(FINAL) for line in said):
            sys.exit(f"Ray gave up: {said[0] if said else last_line(found.message)}")
        if time.monotonic() > deadline:
            sys.exit(f"no replicas within {STARTED} seconds: has one machine {threads} CPUs free for each of them?")
        time.sleep(PAUSE)


def end(application):
    """Ends an application, and Ray Serve if that was the last one."""
    with contextlib.redirect_stdout(None):  # Ray tells of its own processes that they were killed
        if application in serve.status().applications:
            serve.delete(application)
        if not serve.status().applications:
            serve.shutdown()


@contextlib.contextmanager
def replicated(classifiers, args):
    """Starts the replicas; yields (function of (name, texts) that returns probabilities, how many batches at once).

    Args:
      classifiers: {name: Classifier}, which are not used here.
      args: of the command; replicas is how many, or None for one on every free CPU.
    Raises: SystemExit, if they can't be started.
    """
    for name in ("ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # What Ray tells of replicas that die goes to the log.
    with contextlib.redirect_stdout(sys.stderr), connected(args.ray_address):
        application = f"infer-{ray.util.get_node_ip_address()}-{args.host}-{args.port}"
        serve.start(proxy_location="Disabled", logging_config=QUIET)
        try:
            if application in serve.status().applications:  # a command that was killed has left it
                serve.delete(application)
                time.sleep(RELEASED)
            free = count_free()
            replicas = args.replicas or free
            if replicas > free:
                sys.exit(f"--replicas {replicas}: each needs a CPU, and {free} of Ray's are free")
            threads = free // replicas
            cloudpickle.register_pickle_by_value(sys.modules[__name__])
            replica = serve.deployment(
                num_replicas=replicas,
                max_ongoing_requests=BATCHES * replicas,  # all there can be: Ray waits long where one is refused
                ray_actor_options={"num_cpus": threads},
                health_check_period_s=HEALTH,
                max_constructor_retry_count=ATTEMPTS,
                logging_config=QUIET,
            )(Replica)
            target = serve.RunTarget(replica.bind(to_task(classifiers, threads)), application, route_prefix=None)
            (handle,) = serve.run_many([target], wait_for_applications_running=False)
            wait_for(application, threads)
            yield functools.partial(predict, handle, args.seconds), BATCHES * replicas
        finally:
            if args.ray_address:  # a Ray of its own ends with all that is in it
                end(application)

"""What every Python that Make starts reads first: it stands on the PYTHONPATH that mk/stages.mk exports.

In a stage, Ctrl-C ends it at once, with no traceback and in the midst of an import too; GNUmakefile says that it did.
What a stage has made is whole at any moment, so there is nothing to tidy up. And in the end a stage notes which modules
of the checkout it imported: when one of them changes, the stage is made again. Python 3.7, standard library only.
"""

import atexit
import contextlib
import os
import signal
import sys


def note_modules(checkout, path):
    """Adds to a file the paths of the imported modules that are the checkout's, one a line."""
    ours, others = checkout + os.sep, (os.path.join(checkout, ".tox", ""), os.path.join(checkout, "mk", ""))
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    files.add(sys.argv[0])  # a script's own name, which is gone from its module when it has run to its end
    paths = {os.path.realpath(os.path.join(FOLDER, file)) for file in files if file}
    found = sorted(file for file in paths if file.startswith(ours) and not file.startswith(others))
    try:
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write("".join(name + "\n" for name in found))
    except OSError:  # a full disk: mk/run.py takes a stage without its note for failed
        with contextlib.suppress(OSError):
            os.unlink(path)


if "STAGE" in os.environ:
    # A background shell hands down that SIGINT is ignored.
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # which mk/run.py holds back until here
if "STAGE_MODULES" in os.environ:
    FOLDER = os.getcwd()  # a script's own path may be relative to it
    CHECKOUT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    atexit.register(note_modules, CHECKOUT, os.environ["STAGE_MODULES"])

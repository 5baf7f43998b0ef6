"""Ctrl-C while a script still imports is no traceback; from then on inputs.script.run sees to it.

Every Python that Make starts reads this first: it stands on the PYTHONPATH that the Makefile exports.
"""

import sys


def report(kind, error, trace):
    if issubclass(kind, KeyboardInterrupt):
        sys.exit(130)
    sys.__excepthook__(kind, error, trace)


sys.excepthook = report

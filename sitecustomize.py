"""Ctrl-C ends a stage at once, with no traceback and in the midst of an import too; GNUmakefile says that it did.

What a stage has made is whole at any moment, so there is nothing to tidy up. Every Python that Make starts reads this
first: it stands on the PYTHONPATH that the Makefile exports.
"""

import os
import signal

if "STAGE" in os.environ:
    # A background shell hands down that SIGINT is ignored.
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # which provenance.py holds back until here

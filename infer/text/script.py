"""Runs a script's main function: an expected error is one line, not a traceback. Standard library only, in every
environment, on Python 3.7 as well."""

import errno
import os
import sys

DISK_ERRORS = [os.strerror(number) for number in (errno.ENOSPC, errno.EROFS, errno.EDQUOT)]


def run(main):
    """Calls main(); an error of the operating system (a full disk, no permission) ends the process with one line.

    Raises: SystemExit: with that line, or with status 130 after Ctrl-C. Any other exception passes through.
    """
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # without a message: GNUmakefile prints one
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            sys.exit(f"{error.filename or sys.argv[0]}: {error.strerror}")
        # TensorFlow and OpenVINO raise exceptions of their own that only quote the system's message.
        for line in str(error).splitlines():
            if any(message in line for message in DISK_ERRORS):
                sys.exit(line.strip())
        raise

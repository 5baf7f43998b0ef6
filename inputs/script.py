"""What the scripts' main functions are called through, in every environment."""

import errno
import os
import sys

DISK = [os.strerror(number) for number in (errno.ENOSPC, errno.EROFS, errno.EDQUOT)]


def run(main):
    """Calls main(); says in one line that the system refused something (a full disk, a folder); Ctrl-C ends it.

    Raises: SystemExit.
    """
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # GNUmakefile says so, or who pressed it knows
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            sys.exit(f"{error.filename or sys.argv[0]}: {error.strerror}")
        # TensorFlow and OpenVINO have kinds of their own, with the system's words in them.
        for line in str(error).splitlines():
            if any(words in line for words in DISK):
                sys.exit(line.strip())
        raise

"""A stage of the Makefile: is it as its record has it, and if not, run it. mk/stages.mk calls this.

Runs in the tools environment. A PATH is as digests.expand has it; @given/NAME in it or in COMMAND is the value of the
variable GIVEN_NAME, see mk/given.mk:
  python mk/stage.py check --record=NAME.record.json --command='COMMAND' --input PATH... --output PATH...
  python mk/stage.py run   (the same, and see `run --help`)
  python mk/stage.py verify FOLDER   (and see `verify --help`)
"""

import argparse
import os
import re
import shlex
import signal
import sys

from digests import RECORD
from record import find_difference, stage_of, verify

INTERRUPTED = 128 + signal.SIGINT  # as a shell has it
UP_TO_DATE = "as recorded"  # what `check` prints, and mk/stages.mk waits for


def name_given(word):
    """Returns a word with what the user gave in the place of what stands for it."""
    return re.sub(r"(?:^|(?<==))@given/([A-Z_]+)", lambda match: os.environ.get(f"GIVEN_{match[1]}", match[0]), word)


def write_command(text):
    """Returns a command, whose words are without spaces, as a shell has it: with the user's own names, in quotes."""
    words = [(word, name_given(word)) for word in text.split()]
    return " ".join(shlex.quote(name) if name != word or set(word) & set("'\"\\") else word for word, name in words)


def check(args):
    """Prints UP_TO_DATE if a stage is. With --tell, says on stderr why it is not, and prints its command."""
    difference = find_difference(args.record, args.command, args.input, args.planned)
    if not difference:
        print(UP_TO_DATE)
    elif args.tell:
        print(args.command)
    if args.tell == "all" or (args.tell and difference):
        stage = stage_of(args.record)
        goal = f" ({args.goal})" if args.goal not in (stage, None) else ""
        print(f"{stage}{goal}: {difference or UP_TO_DATE}", file=sys.stderr)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    stage = argparse.ArgumentParser(add_help=False)
    stage.add_argument("--record", required=True, help="where the stage's record is, NAME.record.json")
    stage.add_argument("--command", required=True, help="what it runs; may end with > FILE or > FILE 2>&1")
    stage.add_argument(
        "--input", nargs="*", type=name_given, action="extend", default=[], help="what it reads, beside its modules"
    )
    stage.add_argument("--output", nargs="*", action="extend", default=[], help="what it makes")
    stage.add_argument("--goal", help="what to give to make for this stage (default: its name)")
    checker = actions.add_parser("check", parents=[stage], help=f"print '{UP_TO_DATE}' if all is as its record has it")
    checker.add_argument("--tell", choices=("stale", "all"), help="say why it is not; all: or that it is")
    checker.add_argument("--planned", nargs="*", default=[], help="what is to be made before it, in a dry run")
    runner = actions.add_parser("run", parents=[stage], help="run the command and leave a record of it")
    runner.add_argument("--resumes", action="store_true", help="it goes on from what an interrupted run of it has left")
    runner.add_argument(
        "--user", help="the goal for which it is made, if that is not to train where a model is trained"
    )
    runner.add_argument("--trained", nargs="*", default=[], help="the records of the models that are trained")
    runner.add_argument(
        "--smaller", nargs="+", default=["PROFILE"], help="the variables that say how much memory it takes"
    )
    runner.add_argument("--quote", help="a JSON file among the outputs, whose content the record is to have too")
    verifier = actions.add_parser("verify", help="compare a folder with the records in it; changes nothing")
    verifier.add_argument("folder", help="by the names in its records")
    verifier.add_argument("--source", help="where it lies (default: there)")
    args = parser.parse_args()
    if args.action != "verify":
        args.command = write_command(args.command)
        if not (args.record.endswith(RECORD) and args.command):
            parser.error(f"give a --record that ends with {RECORD} and a --command")
    return args


def main():
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # which Make holds back until here
        args = parse_arguments()
        if args.action == "verify":
            verify(args.folder, args.source)
        elif args.action == "check":
            check(args)
        else:
            from run import run  # what it imports would slow down each check

            run(args)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)  # GNUmakefile says that it was
    except OSError as error:  # no such command, a folder that cannot be written to, a full disk
        sys.exit(f"{error.filename2 or error.filename or 'mk/stage.py'}: {error.strerror}")


if __name__ == "__main__":
    main()

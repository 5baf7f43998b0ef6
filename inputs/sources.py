"""Compares the forms in which the same reviews come.

Runs in the openvino-current environment: `python -m inputs.sources ARCHIVE ARCHIVE ...`, each as inputs.reviews takes
aclImdb's. Exits with one line if they do not hold the same reviews, with the same labels, as often.
"""

import argparse
import sys
from collections import Counter

from infer.text.script import run
from inputs.reviews import SPLITS, aclimdb_files, by_content


def count(source):
    """Returns the Counter of the reviews of a source, by by_content's names."""
    return Counter(by_content(split, polarity, data) for split, polarity, _, data in aclimdb_files(source))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="two archives or more")
    args = parser.parse_args()
    if len(args.sources) < 2:
        parser.error("give at least two")

    first = count(args.sources[0])
    for source in args.sources[1:]:
        other = count(source)
        if first != other:
            alone = [(first - other, args.sources[0]), (other - first, source)]
            found = [f"{sum(names.values())} only in {where}, such as {min(names)}" for names, where in alone if names]
            sys.exit(f"{source}: not the reviews of {args.sources[0]}: {' and '.join(found)}")
    for split, polarity in SPLITS:
        total = sum(times for name, times in first.items() if name.startswith(f"{split}/{polarity}/"))
        print(f"{split}/{polarity}: {total} reviews")
    print(f"{len(args.sources)} sources, the same reviews: {' '.join(args.sources)}")


if __name__ == "__main__":
    run(main)

"""A table of characters, and what each becomes, as the precompiled_charsmap that SentencePiece's Normalizer reads.

It is the size of a double array, that array, and the replacements one after another, each ended by a zero byte. The
array is a trie over the UTF-8 of the characters, which says of each where its replacement begins. Of the format:
SentencePiece's normalizer.cc, and darts-clone 0.32, whose units it has. Equal branches are kept once, as there: the
hundred thousands of characters that are dropped take little room.
"""

import numpy as np

LEAF = 1 << 31  # in a unit that is a value; a unit that nothing uses has it too, as it then is no byte's
HAS_LEAF = 1 << 8  # in a unit of which one follows
OFFSET = 10  # bits that come before where a unit's own followers are
MAX_OFFSET = 1 << 21


def share_branches(table):
    """Returns (branches, the root's index, bytes of the replacements) of {character: str}.

    A branch is a list of (byte, index of the branch after it), or an int, where in those bytes the replacement begins.
    No two branches are equal, and each comes after all that follow it.
    """
    root, begins, replacements = {}, {}, bytearray()
    for char, replacement in table.items():
        if replacement not in begins:
            begins[replacement] = len(replacements)
            replacements += replacement.encode() + b"\0"
        *path, last = char.encode()
        branch = root
        for byte in path:
            branch = branch.setdefault(byte, {})
        branch[last] = begins[replacement]
    indices = {}

    def share(branch):
        if isinstance(branch, dict):
            branch = tuple((byte, share(following)) for byte, following in branch.items())
        return indices.setdefault(branch, len(indices))

    top = share(root)
    return [*indices], top, bytes(replacements)


def place_branches(branches):
    """Returns (base of each of share_branches' branches, number of units): the unit of its byte is base ^ byte.

    No two have the same base, nor the same unit. The largest are placed first, small ones fill what they leave.
    """
    sizes = [1 if isinstance(branch, int) else len(branch) for branch in branches]
    bases, taken, free, count = [None] * len(branches), set(), {}, 0
    for i in sorted(range(len(branches)), key=lambda i: -sizes[i]):
        labels = [0] if isinstance(branches[i], int) else [byte for byte, _ in branches[i]]
        while bases[i] is None:
            for unit in free:
                base = unit ^ labels[0]
                if base not in taken and all(base ^ label in free for label in labels):
                    bases[i] = base
                    break
            else:
                free.update(dict.fromkeys(range(max(count, 1), count + 256)))  # unit 0 is the root's own
                count += 256
        taken.add(bases[i])
        for label in labels:
            del free[bases[i] ^ label]
    return bases, count


def compile_charsmap(table):
    """Returns the precompiled_charsmap, as bytes, of {character: the str that it becomes}; all others stay.

    Raises: OverflowError if there are too many for the format.
    """
    changed = {char: replacement for char, replacement in table.items() if char != replacement}
    branches, top, replacements = share_branches(changed)
    bases, count = place_branches(branches)
    units = np.full(count, LEAF, np.uint32)

    def unit(place, label, following):
        offset = place ^ bases[following]
        if offset >= MAX_OFFSET:
            raise OverflowError(f"{len(changed)} characters are too many for a charsmap")
        return label | (HAS_LEAF if isinstance(branches[following], int) else 0) | offset << OFFSET

    units[0] = unit(0, 0, top)
    for branch, base in zip(branches, bases, strict=True):
        if isinstance(branch, int):
            units[base] = LEAF | branch
        else:
            for byte, following in branch:
                units[base ^ byte] = unit(base ^ byte, byte, following)
    array = units.astype("<u4").tobytes()
    return len(array).to_bytes(4, "little") + array + replacements

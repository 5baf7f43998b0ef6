"""The ids that OpenVINO gets are FullTokenizer's, on any text."""

import json
import random
import subprocess

import pytest
from checkout import ROOT, clean_environment

from infer.text.tokenizer import load_tokenizer, read_vocab

HARD = [
    "Ça, c'était très déjà vu: naïve façade, Ångström, İstanbul, ẞtraße, ΟΔΟΣ ΑΣ Σ ΣΑΣ",
    "这部电影很好看 この映画は最高だ 이 영화는 최고예요 丽\U0002b820\U0002b920",
    "👍🏽 🎬 👩‍👩‍👧 ☃️ 🇩🇪",
    "nul\x00 bell\x07 tab\t lf\n cr\r nel\x85 ls\u2028 bom\ufeff shy\u00ad zwj\u200d repl\ufffd vt\x0b ff\x0c fs\x1c",
    "a" * 100 + " " + "b" * 101 + " " + "c" * 200 + " " + "d" * 201 + " " + "e" * 300,
    "[SEP] [MASK] [CLS]x[PAD] [UNK] [unused1] ##ing",
    "",
    " ",
    "\n\t\r \u3000\u00a0",
    "don't--stop...<br /><br />'quoted' \"double\" ‘curly’ “marks” $9.99 100% a+b=c ~`^|\\ «guillemets» ¿qué?",
    "e\u0301 \u0301 o\u0308\u0323 \u1e9b\u0323 ﬁ ﬂ Ⅷ ½ ² ™ \u212b \u212a \u037e \u1fef \u2260",
    "ΑΣ\x01Α ΑΣ\u00adΑ ΑΣ\u0301 'Σ. Σ\u200b",
    "\ua9bd \u166d \U000111c9 \u1734 \u0378 \U0001fa77",
]


def all_code_points():
    """Every code point inside a word, some hundred words a text."""
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    return [" ".join(f"film{chr(p)}s" for p in points[i : i + 512]) for i in range(0, len(points), 512)]


def random_texts(rng, count):
    """Texts of letters, marks, punctuation, spaces and rare characters in any order."""
    kinds = [
        "abcdefghijklmnopqrstuvwxyzABCDEFG",
        "ΣσςΑαΆάİıẞßŒœéÉñǅ",
        "\u0300\u0301\u0308\u0323\u200d\u00ad\u0345",
        " \t\n\u00a0\u2003",
        ".,!?-'\"[]#<>/«»—…",
        "影映화ね丽\U0002b820",
    ]
    return [
        "".join(rng.choice(rng.choice(kinds)) if rng.random() < 0.9 else chr(rng.randrange(0xD800)) for _ in range(40))
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    "do_lower_case", [pytest.param(True, id="uncased"), pytest.param(False, id="cased", marks=pytest.mark.more)]
)
def test_ids_equal_full_tokenizers(do_lower_case, tmp_path):
    # Single characters and pieces: a difference in any place shows, where a real vocabulary would say [UNK].
    letters = sorted(
        {chr(p) for p in range(0x21, 0x3000) if chr(p).isprintable()} | set("影映화ね丽\U0002b820\U0002b920")
    )
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "the", *letters]
    tokens += ["##" + letter for letter in letters]
    vocab_file = tmp_path / "vocab.txt"
    vocab_file.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    texts = HARD + [" ".join(HARD) * 30] + all_code_points() + random_texts(random.Random(0), 20_000)
    done = subprocess.run(
        [
            ROOT / ".tox/tf1/bin/python",
            ROOT / "tests/pipeline/full_tokenizer.py",
            vocab_file,
            str(do_lower_case).lower(),
        ],
        cwd=ROOT,
        env=clean_environment(PYTHONPATH=".", PYTHONWARNINGS="ignore", PYTHONUTF8="1", TF_CPP_MIN_LOG_LEVEL="3"),
        input=json.dumps(texts),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    encode = load_tokenizer(read_vocab(vocab_file), do_lower_case)
    wanted = json.loads(done.stdout)
    different = [text for text, ids, ours in zip(texts, wanted, encode(texts), strict=True) if ours != ids]
    assert not different, f"{len(different)} of {len(texts)} texts, such as {different[0]!a}"

"""Files as people have them: several, in folders, packed, in other encodings, arrays, and of bad rows alone."""

import gzip
import io
import json
import signal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from modules import run
from scoring import ADDED, KILLER, MANY, PEAK, command, read, refused, score, texts, write

from infer.score.files import CODECS, guess_encoding
from infer.score.rows import read_array
from infer.text.tokenizer import WINDOW

PACKED = [f".{name}{codec}" for name in ("csv", "tsv", "jsonl", "ndjson", "json", "txt") for codec in CODECS]


@pytest.mark.parametrize("suffix", PACKED)
def test_packed_files_are_read_and_written(classifier, suffix, tmp_path, capsys):
    rows = [{"n": str(i), "review": text} for i, text in enumerate(texts(40))]
    source, output = write(tmp_path / f"in{suffix}", rows), tmp_path / f"out{suffix}"
    score(classifier, source, output)
    assert capsys.readouterr() == (f"{output}: scored 40 rows, 0 bad rows skipped\n", "")
    score(classifier, source, tmp_path / "plain.jsonl")
    expected = read(tmp_path / "plain.jsonl")
    kept = [] if ".txt" in suffix else ["review"] if ".txt" in source.name else ["n", "review"]
    assert [{name: row[name] for name in [*kept, *ADDED]} for row in read(output)] == [
        {name: row[name] for name in [*kept, *ADDED]} for row in expected
    ]


@pytest.mark.parametrize("suffix", [".csv.gz", ".jsonl.zst"])
def test_a_packed_file_that_is_cut_is_one_line(classifier, suffix, tmp_path):
    source = write(tmp_path / f"in{suffix}", [{"n": str(i), "review": text} for i, text in enumerate(texts(MANY))])
    source.write_bytes(source.read_bytes()[:-100])
    line = refused(classifier, source, tmp_path / "out.csv")
    assert line.startswith(f"{source}: not a whole {source.suffix} file: ")
    source.write_bytes(b"review\ngood\n")
    assert f"{source}: not a whole {source.suffix} file: " in refused(classifier, source, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.process
def test_a_killed_scoring_of_packed_parts_goes_on_to_the_same_bytes(classifier, many, tmp_path, capsys):
    source, output = tmp_path / "in", tmp_path / "out.csv.gz"
    source.mkdir()
    lines = many[0].read_bytes().splitlines(keepends=True)
    for i in range(3):
        part = lines[1 + i * MANY // 3 : 1 + (i + 1) * MANY // 3]
        (source / f"part-{i}.csv.gz").write_bytes(gzip.compress(b"".join([lines[0], *part])))
    killed = run("-c", KILLER, "replace", 3, "after", "-m", classifier, source, output)
    assert killed.returncode == -signal.SIGKILL and not output.exists()
    score(classifier, source, output)
    assert f"going on after {2 * (MANY // 3)} of {MANY} rows" in capsys.readouterr().err
    score(classifier, source, tmp_path / "undisturbed.csv.gz")
    assert output.read_bytes() == (tmp_path / "undisturbed.csv.gz").read_bytes()
    assert [row["n"] for row in read(output)] == [str(i) for i in range(MANY)]


@pytest.mark.more
@pytest.mark.process
def test_memory_does_not_grow_with_what_a_packed_array_holds(classifier, tmp_path):
    row = json.dumps({"review": "a good film", "n": 1})
    with gzip.open(tmp_path / "in.json.gz", "wt", compresslevel=1) as file:
        file.write("[" + f"{row},\n" * 200_000 + row + "]")
    done = run("-c", PEAK, *command(classifier, tmp_path / "in.json.gz", tmp_path / "out.csv"))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) < 2**20, "KiB"
    assert "scored 200001 rows" in done.stdout


def test_a_folder_of_part_files_is_one_table(classifier, tmp_path, capsys):
    table = pa.table({"review": texts(300), "n": range(300)})
    folder = tmp_path / "reviews.parquet"
    folder.mkdir()
    for name in ("_SUCCESS", "._SUCCESS.crc", ".part-00000.parquet.crc"):
        (folder / name).touch()
    pq.write_table(table[:100], folder / "part-00000-1.snappy.parquet")
    pq.write_table(table[100:100], folder / "part-00001-1.snappy.parquet")
    pq.write_table(table[100:], folder / "part-00002-1.snappy.parquet")
    score(classifier, folder, tmp_path / "out.parquet")
    assert capsys.readouterr().out.endswith("out.parquet: scored 300 rows, 0 bad rows skipped\n")
    assert pq.read_table(tmp_path / "out.parquet").select(["review", "n"]).equals(table)
    assert "in the folder that is scored" in refused(classifier, folder, folder / "out.parquet")
    other = table.append_column("more", table["n"])
    pq.write_table(other, folder / "part-00003-1.snappy.parquet")
    line = refused(classifier, folder, tmp_path / "out.parquet")
    assert line.endswith(
        f"its columns are others than those of {folder}/part-00000-1.snappy.parquet: score them one by one"
    )
    (folder / "README.md").touch()
    assert "README.md: unknown extension '.md'" in refused(classifier, folder, tmp_path / "out.parquet")
    (folder / "README.md").rename(folder / "readme.txt")
    assert "readme.txt: not of the format of" in refused(classifier, folder, tmp_path / "out.parquet")
    (folder / "readme.csv").touch()
    assert "not of the format of" in refused(classifier, folder, tmp_path / "out.parquet"), "three formats"
    (folder / "lang=en").mkdir()
    assert "lang=en: a folder in a folder" in refused(classifier, folder, tmp_path / "out.parquet")
    (tmp_path / "empty").mkdir()
    assert "empty: a folder without files of reviews" in refused(
        classifier, tmp_path / "empty", tmp_path / "out.parquet"
    )


def test_several_files_are_one_table_and_name_their_bad_rows(classifier, many, tmp_path, capsys):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_bytes(many[0].read_bytes())
    two.write_text("n,review\n1,good\n2\n3,bad\n")
    score(classifier, one, two, tmp_path / "out.csv")
    stdout, stderr = capsys.readouterr()
    assert stderr == f"{two}: line 3: 1 fields, not 2: skipped\n"
    assert (tmp_path / "out.csv.errors").read_text() == f"{two}: line 3: 1 fields, not 2\n"
    assert f"scored {MANY + 2} rows, 1 bad row" in stdout
    assert (tmp_path / "out.csv").read_bytes().startswith(many[1])
    assert [row["n"] for row in read(tmp_path / "out.csv")][-2:] == ["1", "3"]
    two.write_text("review,n\ngood,1\n")
    assert f"two.csv: its columns are others than those of {one}" in refused(classifier, one, two, tmp_path / "out.csv")
    assert "nowhere.csv: no such file" in refused(classifier, one, tmp_path / "nowhere.csv", tmp_path / "out.csv")
    assert "is the input" in refused(classifier, one, two, two)


ARRAY = '[{"review": "good", "n": 1},\n {"review": null}, 7, {"review": "bad", "x": NaN}, {"review": "a film"}]\n'


@pytest.mark.parametrize("name", ["in.json", "in.jsonl", "in.ndjson"])
def test_a_json_array_is_read_as_rows(classifier, name, tmp_path, capsys):
    (tmp_path / name).write_text(ARRAY)
    score(classifier, tmp_path / name, tmp_path / "out.json")
    assert [line.split(": ", 1)[1] for line in capsys.readouterr().err.splitlines()] == [
        "row 2: review is NoneType, not text: skipped",
        "row 3: no JSON object: skipped",
        "row 4: a number that is NaN or infinite: NaN: skipped",
    ]
    assert [row["review"] for row in json.loads((tmp_path / "out.json").read_text())] == ["good", "a film"]


@pytest.mark.parametrize("block", [1, 2, 7, 2**16])
def test_a_json_array_is_read_alike_wherever_its_pieces_end(block, monkeypatch):
    monkeypatch.setattr("infer.score.rows.BLOCK", block)
    monkeypatch.setattr("infer.score.rows.MAX_LINE", 32)  # of a value, not of all of them
    for content, expected in {
        "[]": [],
        " [\n\t]\r\n": [],
        '[{"a": 1}]': [(1, {"a": 1}, 9)],
        ' [ {"a": "\\u00e7[{,"} ,\n{"b": [-1.5e3, {}]} ] ': [(1, {"a": "ç[{,"}, 21), (2, {"b": [-1500, {}]}, 22)],
        "[12, -3.5, null ]": [(number, "no JSON object", size) for number, size in enumerate((3, 6, 6), 1)],
    }.items():
        assert [*read_array(io.BytesIO(content.encode()))] == expected


@pytest.mark.parametrize(
    "content, message",
    [
        ('[{"review": "good"}, {"review": }]', "row 2: broken JSON: Expecting value"),
        ('[{"review": "good"} {"review": "bad"}]', "row 2: broken JSON: neither a comma nor the end of the array"),
        ('[{"review": "good"}', "row 1: broken JSON: neither a comma nor the end of the array"),
        ('[{"review": "good"}]\n{"review": "bad"}', "row 2: broken JSON: neither"),
        ('[{"review": "good"}, ' + "[" * 100_000, "row 2: nested deeper than 100"),
        ('[{"review": "good"}, 7, ' + "[" * 100_000, "row 3: nested deeper than 100"),
        ('[{"review": "good"}, {"review": "' + "a" * 2**26 + '"}]', "row 2: longer than 33554432 characters"),
        ('[{"review": "good"}, \udcff]', "row 2: broken JSON: Expecting value"),
    ],
)
def test_a_json_array_that_is_broken_is_one_line(classifier, content, message, tmp_path):
    (tmp_path / "in.json").write_bytes(content.encode(errors="surrogateescape"))
    line = refused(classifier, tmp_path / "in.json", tmp_path / "out.csv")
    assert line.startswith(f"{tmp_path}/in.json: {message}") and line.endswith("cannot be read on after that: mend it")
    assert [path.name for path in tmp_path.iterdir()] == ["in.json"]


@pytest.mark.parametrize("content", ['{"a": {"0": "good"}}', '{"text": 1}\n{"text": 2}\n', "{\n" * 30])
def test_where_all_rows_are_bad_the_output_is_what_it_was(classifier, content, tmp_path):
    (tmp_path / "in.json").write_text(content)
    for name in ("out.csv", "out.csv.errors"):
        (tmp_path / name).write_text("older")
    line = refused(classifier, tmp_path / "in.json", tmp_path / "out.csv")
    count = content.rstrip("\n").count("\n") + 1
    assert line == f"{tmp_path}/in.json: none of its {count} rows can be scored: nothing is written"
    assert (tmp_path / "out.csv").read_text() == (tmp_path / "out.csv.errors").read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 3


FRENCH = "id,review\n1,Un film très émouvant\n2,Une scène à la fenêtre\n3,bad\n"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_latin_1_is_named_and_read(classifier, encoding, tmp_path, capsys):
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(FRENCH.encode(encoding))
    score(classifier, source, output)
    assert capsys.readouterr().err.splitlines() == [
        f"{source}: line 2: not UTF-8: skipped",
        f"{source}: line 3: not UTF-8: skipped",
        f"{source}: not UTF-8, likely cp1252: read it with --encoding cp1252 (make: ENCODING=cp1252)",
    ]
    score(classifier, source, output, "--encoding", encoding)
    assert capsys.readouterr().err == "" and [row["review"] for row in read(output)][:2] == [
        *("Un film très émouvant", "Une scène à la fenêtre")
    ]
    source.write_bytes(FRENCH.replace("review", "critique très").encode(encoding))
    assert "in.csv: line 1: not UTF-8, likely cp1252: read it with" in refused(classifier, source, output)
    source.write_bytes(FRENCH.encode(encoding))
    line = refused(classifier, source, output, "--strict")
    assert "in.csv: line 2: not UTF-8, likely cp1252: read it with" in line and "or leave out --strict" in line


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".txt", ".csv.gz"])
def test_utf_16_is_named_and_read(classifier, suffix, encoding, mark, tmp_path, capsys):
    rows = [{"id": str(i), "review": text} for i, text in enumerate(["ça", "这 \U0001f600", "good", "bad\u2028"])]
    source = write(tmp_path / f"in{suffix}", rows)
    opened = gzip.open if suffix.endswith("gz") else open
    with opened(source, "rb") as file:
        text = file.read().decode()
    with opened(source, "wb") as file:
        file.write(f"{mark}{text}".encode(encoding))
    line = refused(classifier, source, tmp_path / "out.jsonl")
    name = encoding[:6] if mark else encoding
    assert line == f"{source}: is {name.upper()}: add --encoding {name} (make: ENCODING={name})"
    score(classifier, source, tmp_path / "out.jsonl", "--encoding", name)
    assert capsys.readouterr().err == ""
    assert [row["review"] for row in read(tmp_path / "out.jsonl")] == [row["review"] for row in rows]


def test_what_is_not_utf_8_in_an_array_is_its_row(classifier, tmp_path, capsys):
    source, output = tmp_path / "in.json", tmp_path / "out.json"
    source.write_text('[{"review": "good"},\n{"review": "ça"},\n{"review": "bad"}]', encoding="latin-1")
    score(classifier, source, output)
    assert capsys.readouterr().err.splitlines() == [
        f"{source}: row 2: not UTF-8: skipped",
        f"{source}: not UTF-8, likely cp1252: read it with --encoding cp1252 (make: ENCODING=cp1252)",
    ]
    assert [row["review"] for row in read(output)] == ["good", "bad"]
    score(classifier, source, output, "--encoding=cp1252")
    assert [row["review"] for row in read(output)] == ["good", "ça", "bad"]


def test_an_encoding_that_it_is_not_is_one_line(classifier, tmp_path):
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b"review\ngood\n\x81 film\n")
    line = refused(classifier, source, output, "--encoding=cp1252")
    assert line.startswith(f"{source}: not in cp1252: ") and "can't decode byte 0x81" in line
    source.write_bytes(FRENCH.encode("latin-1"))
    assert "not in utf-16: " in refused(classifier, source, output, "--encoding=UTF-16")
    for name in ("klingon", "base64"):
        assert f"--encoding {name}: no such encoding" in refused(classifier, source, output, "--encoding", name)
    for arguments in (
        ("--quotes=none", tmp_path / "in.txt"),
        ("--no_header", tmp_path / "in.txt"),
        ("--encoding=cp1252", tmp_path / "in.parquet"),
    ):
        arguments[1].write_text("good\n")
        with pytest.raises(SystemExit) as ended:
            score(classifier, *arguments, output)
        assert ended.value.code == 2 and not output.exists()


@pytest.mark.parametrize(
    "data, guess",
    [
        ("Очень хороший фильм\n".encode("cp1251"), "nor in a Western encoding: read it with --encoding NAME"),
        ("これは良い映画です\n".encode("shift_jis"), "nor in a Western encoding"),
        ("\u201cThe film\u2019s plot \u2014 thin\u201d\n".encode("cp1252"), "likely cp1252"),
        (b"ends \xff\n" + "ça\n".encode(), ""),
        (b"all of it ASCII\n", ""),
    ],
)
def test_the_likely_encoding(data, guess, tmp_path):
    (tmp_path / "in.txt").write_bytes(data)
    assert guess_encoding(tmp_path / "in.txt").startswith(guess and f", {guess}")
    assert bool(guess_encoding(tmp_path / "in.txt")) == bool(guess)


@pytest.mark.parametrize("to", [".csv", ".jsonl", ".json", ".parquet", ".txt"])
def test_columns_in_the_way_keep_their_names(classifier, to, tmp_path):
    source = tmp_path / "in.jsonl"
    first = '{"text": "good film", "label": 1}\n' * (WINDOW + 1)
    source.write_text(first + '{"text": "bad", "label": 0, "predicted_label": "x", "p_positive": null}\n')
    score(classifier, source, tmp_path / f"out{to}")
    if to == ".txt":
        assert list(read(tmp_path / "out.txt")[0]) == ADDED
        return
    score(classifier, source, tmp_path / "plain.csv")
    names = ["text", "label", "predicted_label", "p_positive"]
    added = ["predicted_predicted_label", "p_negative", "predicted_p_positive"]
    if to == ".parquet":
        assert pq.read_schema(tmp_path / "out.parquet").names == names + added
    elif to == ".csv":
        assert (tmp_path / "out.csv").read_text().splitlines()[0] == ",".join(names + added)
    else:
        text = (tmp_path / f"out{to}").read_text()
        last = json.loads(text)[-1] if to == ".json" else json.loads(text.splitlines()[-1])
        assert list(last) == names + added and last["label"] == 0

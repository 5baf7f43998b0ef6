"""Every format to every other, its types kept as far as the other has them."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scoring import ADDED, read, refused, score, texts, write

from infer import Classifier
from infer.score.files import SUFFIXES

AWKWARD = [
    "",
    ' "good" film',
    "good,\tbad",
    "a film\nof beauty",
    "a\r\nb",
    "a\rb",
    "\0 good",
    "ça 这 \U0001f600",
    "\ufeff",
]


@pytest.mark.parametrize("to", SUFFIXES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_to_every_other(classifier, suffix, to, tmp_path, capsys):
    reviews = [text for text in AWKWARD if suffix != ".txt" or "\n" not in text] + texts(40)
    rows = [{"id": f"00{i}", "review": text, "of, \"it\"": f"x\t{i}"} for i, text in enumerate(reviews)]  # fmt: skip
    source, output = write(tmp_path / f"in{suffix}", rows), tmp_path / f"out{to}"
    score(classifier, source, output)
    assert capsys.readouterr() == (f"{output}: scored {len(rows)} rows, 0 bad rows skipped\n", "")
    got = read(output)
    kept = [] if to == ".txt" else ["review"] if suffix == ".txt" else list(rows[0])
    assert [list(row) for row in got] == [kept + ADDED] * len(rows)
    assert [[row[name] for name in kept] for row in got] == [[row[name] for name in kept] for row in rows]
    model = Classifier(classifier)
    expected = np.array(list(model.predict(reviews)))
    np.testing.assert_array_equal(np.float32([[row[name] for name in ADDED[1:]] for row in got]), expected)
    assert [row["label"] for row in got] == [model.labels[i] for i in expected.argmax(1)]
    assert {path.name for path in tmp_path.iterdir()} == {source.name, output.name}


def test_types_are_kept(classifier, tmp_path):
    table = pa.table(
        {
            "review": pa.array(["good", "bad", "film"]).dictionary_encode(),
            "when": pa.array([1, 2**60 + 1, None], pa.timestamp("ns", "UTC")),
            "tags": [["a"], [], None],
            "n": pa.array([1, None, 3], pa.int8()),
            "x": [0.1, float("nan"), None],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    for suffix in (".parquet", ".jsonl", ".csv"):
        score(classifier, tmp_path / "in.parquet", tmp_path / f"out{suffix}")
    got = pq.read_table(tmp_path / "out.parquet")
    kept, table = got.drop_columns(ADDED), pq.read_table(tmp_path / "in.parquet")
    assert kept.schema.equals(table.schema) and str(kept["x"]) == str(table["x"])
    assert kept.drop_columns("x").equals(table.drop_columns("x"))
    assert got.schema.types[-3:] == [pa.string(), pa.float32(), pa.float32()]
    first, second, third = read(tmp_path / "out.jsonl")
    assert first["when"] == "1970-01-01 00:00:00.000000001Z"
    assert (second["x"], third["x"]) == (None, None) and (first["tags"], third["tags"]) == (["a"], None)
    first, second, third = read(tmp_path / "out.csv")
    assert (first["tags"], first["n"], second["n"], first["x"]) == ('["a"]', "1", "", "0.1")


def test_json_of_any_shape(classifier, tmp_path):
    rows = [
        {"review": "good", "n": 1, "x": 1, "id": 2**60, "mixed": "1", "nested": {"ü": [1]}, "yes": True},
        {"n": None, "review": "bad", "x": 0.5, "id": 3, "mixed": 1, "late": None},
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("\ufeff\n" + "".join(json.dumps(row) + "\r\n" for row in rows))
    for suffix in (".jsonl", ".parquet", ".csv"):
        score(classifier, source, tmp_path / f"out{suffix}")
    got = read(tmp_path / "out.jsonl")
    assert [{name: row[name] for name in row if name not in ADDED} for row in got] == rows
    assert [list(row)[:-3] for row in got] == [list(row) for row in rows]
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["n"].to_pylist() == [1, None] and table["id"].to_pylist() == [2**60, 3]
    assert table["x"].to_pylist() == [1.0, 0.5] and table["mixed"].to_pylist() == ["1", "1"]
    assert table["nested"].to_pylist() == ['{"ü": [1]}', None] and table["yes"].to_pylist() == [True, None]
    first, second = read(tmp_path / "out.csv")
    assert list(first) == ["review", "n", "x", "id", "mixed", "nested", "yes", "late", *ADDED]
    assert first["yes"] == "true" and second["yes"] == second["late"] == ""


@pytest.mark.parametrize(
    "numbers, kind",
    [
        ([2**53, -(2**53), 0.5], pa.float64()),
        ([2**53 + 1, 0.5], pa.string()),
        ([2**63 - 1, -(2**63)], pa.int64()),
        ([2**63], pa.string()),
        ([-(2**63) - 1], pa.string()),
    ],
)
def test_whole_numbers_become_what_holds_them(classifier, numbers, kind, tmp_path):
    rows = "".join(json.dumps({"review": "good", "n": number}) + "\n" for number in numbers)
    (tmp_path / "in.jsonl").write_text(rows)
    score(classifier, tmp_path / "in.jsonl", tmp_path / "out.parquet")
    column = pq.read_table(tmp_path / "out.parquet")["n"]
    assert column.type == kind
    assert column.to_pylist() == ([json.dumps(number) for number in numbers] if kind == pa.string() else numbers)


@pytest.mark.parametrize("to", SUFFIXES)
def test_no_rows_make_a_file_of_no_rows(classifier, to, tmp_path, capsys):
    output = tmp_path / f"out{to}"
    (tmp_path / "in.csv").write_text("n,review\n")
    (tmp_path / "in.jsonl").write_text("")
    for source, columns in (("in.csv", ["n", "review"]), ("in.jsonl", ["review"])):
        score(classifier, tmp_path / source, output)
        assert "scored 0 rows" in capsys.readouterr().out
        if to == ".parquet":
            assert pq.read_schema(output).names == columns + ADDED
        else:
            header = {".csv": ",", ".tsv": "\t"}.get(to, "").join(columns + ADDED) + "\n"
            nothing = "[\n\n]\n" if to == ".json" else ""
            assert output.read_text() == (header if to in (".csv", ".tsv") else nothing)


FAR = pa.array([2**62], pa.timestamp("us"))


@pytest.mark.parametrize(
    "values",
    [[b"\xff"], [[b"a"]], [{"x": float("nan")}], FAR, pa.ListArray.from_arrays([0, 1], FAR)],
    ids=["bytes", "nested bytes", "nested NaN", "far date", "nested far date"],
)
def test_a_value_that_the_format_cannot_hold(classifier, values, tmp_path):
    pq.write_table(pa.table({"review": ["good"], "value": values}), tmp_path / "in.parquet")
    line = refused(classifier, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert "in.parquet: a value that .csv cannot hold" in line and line.endswith("write a .parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]
    score(classifier, tmp_path / "in.parquet", tmp_path / "out.parquet")
    got, expected = (pq.read_table(tmp_path / f"{name}.parquet")["value"] for name in ("out", "in"))
    assert str(got) == str(expected)

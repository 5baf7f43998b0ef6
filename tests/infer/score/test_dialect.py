"""The .csv and .tsv files that people have: every row is scored, or one line says what to do."""

import pytest
from scoring import read, refused, score, write

from infer.score.dialect import is_row, recognise
from infer.score.rows import Dialect

REVIEWS = [
    "A joy, from start to end",
    'He said "wow" twice',
    "Not my cup of tea",
    "",
    'C:\\films\\1 and "x\\y"',
    "good",
]


def lines(*rows):
    return "".join(f"{row}\n" for row in rows)


def quoted(quote, *, delimiter="\t"):
    """The rows of Kaggle's labeledTrainData.tsv: id, sentiment, review, quoted, with `quote` for a quote inside."""
    inner = [review.replace('"', quote) for review in REVIEWS]
    return [delimiter.join([f'"{i}_8"', "1", f'"{review}"']) for i, review in enumerate(inner)]


KAGGLE = lines("id\tsentiment\treview", *quoted('\\"'))


def test_kaggles_imdb_layout_is_recognised_and_can_be_given(classifier, tmp_path, capsys):
    source = tmp_path / "labeledTrainData.tsv"
    source.write_text(KAGGLE)
    score(classifier, source, tmp_path / "out.csv")
    stdout, stderr = capsys.readouterr()
    assert stderr == f'{source}: \\" for a quote in a field (--quotes backslash)\n'
    assert stdout == f"{tmp_path}/out.csv: scored {len(REVIEWS)} rows, 0 bad rows skipped\n"
    assert [row["review"] for row in read(tmp_path / "out.csv")] == REVIEWS
    score(classifier, source, tmp_path / "given.csv", "--quotes", "backslash", "--delimiter=tab")
    assert (
        capsys.readouterr().err == "" and (tmp_path / "given.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    )
    score(classifier, source, tmp_path / "other.csv", "--quotes", "doubled")
    assert f"{len(REVIEWS) - 2} rows, 2 bad rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, content, texts, said",
    [
        ("usual.csv", lines("id,sentiment,review", *quoted('""', delimiter=",")), REVIEWS, ""),
        ("usual.tsv", lines("id\tsentiment\treview", *quoted('""')), REVIEWS, ""),
        ("kaggle.csv", lines("id,s,review", *quoted('\\"', delimiter=",")), REVIEWS, '\\" for a quote in a field'),
        (
            "glue.tsv",
            lines("sentence\tlabel", *(f"{text}\t1" for text in [*REVIEWS, '"so" good', '"open'])),
            [*REVIEWS, '"so" good', '"open'],
            "quotes that are text (--quotes none); the text is in column 'sentence'",
        ),
        (
            "blanks.csv",
            'id, review\n1, "Great, fine"\n2, bad\n',
            ["Great, fine", "bad"],
            "blanks before fields left out",
        ),
        ("rows.csv", 'id,review\n1, "Great, fine"\n2, bad\n', ["Great, fine", "bad"], "blanks before fields left out"),
        ("names.csv", "id, review\n1, good\n2, bad\n", ["good", "bad"], "blanks before fields left out"),
        ("excel.csv", 'review;n\n"a; b";1\nc, d;2\n', ["a; b", "c, d"], "';' between fields (--delimiter semicolon)"),
        ("tabs.csv", "n\treview\n1\ta, b\n", ["a, b"], "'\\t' between fields (--delimiter tab)"),
        ("commas.tsv", 'n,review\n1,"a, b"\n', ["a, b"], "',' between fields (--delimiter comma)"),
        (
            "stray.csv",
            'review;"n\na, b;1\nc, d;2\n',
            ["a, b", "c, d"],
            "';' between fields (--delimiter semicolon); quotes that are text (--quotes none)",
        ),
        (
            "pipes.csv",
            "n|Text\n1|a, b\n",
            ["a, b"],
            "'|' between fields (--delimiter pipe); the text is in column 'Text'",
        ),
    ],
)
def test_a_dialect_is_recognised_and_said_in_a_line(classifier, name, content, texts, said, tmp_path, capsys):
    (tmp_path / name).write_text(content)
    score(classifier, tmp_path / name, tmp_path / "out.jsonl")
    stdout, stderr = capsys.readouterr()
    assert stderr.startswith(f"{tmp_path / name}: {said}") and stderr.count("\n") == 1 if said else stderr == ""
    rows = read(tmp_path / "out.jsonl")
    (column,) = {"review", "sentence", "Text"} & set(rows[0])
    assert [row[column] for row in rows] == texts and " 0 bad rows" in stdout


@pytest.mark.parametrize("name, delimiter", [("in.csv", ","), ("in.tsv", "\t")])
def test_a_bad_row_or_two_make_no_other_dialect(classifier, name, delimiter, tmp_path, capsys):
    good = [f'{i},"a ""good"" film; of beauty"' for i in range(30)]
    rows = lines("n,review", *good, '30,"a" film', '31,"a \\"good\\" film"', *good).replace(",", delimiter)
    (tmp_path / name).write_text(rows.replace(";", ","))
    score(classifier, tmp_path / name, tmp_path / "out.csv")
    stdout, stderr = capsys.readouterr()
    assert [line.split(": ")[1] for line in stderr.splitlines()] == ["line 32", "line 33"]
    assert {row["review"] for row in read(tmp_path / "out.csv")} == {'a "good" film, of beauty'}


def test_a_dialect_is_that_of_all_files(classifier, tmp_path, capsys):
    (tmp_path / "1.tsv").write_text(KAGGLE)
    (tmp_path / "2.tsv").write_text(lines("id\tsentiment\treview", '9\t1\t"ends with \\"a quote\\""'))
    score(classifier, tmp_path / "1.tsv", tmp_path / "2.tsv", tmp_path / "out.csv")
    assert capsys.readouterr().err == f'{tmp_path}/1.tsv and 1 more: \\" for a quote in a field (--quotes backslash)\n'
    assert [row["review"] for row in read(tmp_path / "out.csv")] == [*REVIEWS, 'ends with "a quote"']


def test_a_file_without_a_header(classifier, tmp_path, capsys):
    (tmp_path / "one.csv").write_text('"A joy, from start to end, for all of us"\nNot my cup of tea\n')
    line = refused(classifier, tmp_path / "one.csv", tmp_path / "out.csv")
    how = "line 1 looks like a row: --no_header (make: NO_HEADER=1) if it is"
    assert line.startswith(f"{tmp_path}/one.csv: {how}; if not, no column 'review': name the text with --text_column")
    score(classifier, tmp_path / "one.csv", tmp_path / "out.csv", "--no_header")
    assert [row["column_1"] for row in read(tmp_path / "out.csv")] == [
        *("A joy, from start to end, for all of us", "Not my cup of tea")
    ]
    assert capsys.readouterr().err == f"{tmp_path}/one.csv: the text is in column 'column_1'\n"
    # Few words may be names as well as a row.
    (tmp_path / "few.csv").write_text("Great film,positive\nA bore,negative\n")
    line = refused(classifier, tmp_path / "few.csv", tmp_path / "out.csv")
    assert line.endswith("there are Great film, positive; if line 1 is a row, add --no_header (make: NO_HEADER=1)")
    # Named, it is a header, whatever it looks like.
    name = "A joy, from start to end, for all of us"
    score(classifier, tmp_path / "one.csv", tmp_path / "out.csv", "--text_column", name)
    assert [row[name] for row in read(tmp_path / "out.csv")] == ["Not my cup of tea"]

    (tmp_path / "two.csv").write_text('1,1,"A joy, from start to end"\n0,2,Not my cup of tea\n')
    line = refused(classifier, tmp_path / "two.csv", tmp_path / "out.csv")
    assert line == f"{tmp_path}/two.csv: {how}; if not, two columns are named '1': rename one"
    line = refused(classifier, tmp_path / "two.csv", tmp_path / "out.csv", "--no_header")
    assert line.endswith(
        "name the text with --text_column (make: TEXT_COLUMN=): there are column_1, column_2, column_3"
    )
    score(classifier, tmp_path / "two.csv", tmp_path / "out.csv", "--no_header", "--text_column=column_3")
    assert [row["column_3"] for row in read(tmp_path / "out.csv")] == ["A joy, from start to end", "Not my cup of tea"]


def test_a_short_first_review_is_at_least_said_to_be_the_header(classifier, tmp_path, capsys):
    (tmp_path / "in.csv").write_text("Good film\nNot my cup of tea\n")
    score(classifier, tmp_path / "in.csv", tmp_path / "out.csv")
    said = "the text is in column 'Good film', by line 1 (--no_header if that is a row)"
    assert capsys.readouterr().err == f"{tmp_path}/in.csv: {said}\n"


@pytest.mark.parametrize("name", ["text", "sentence", "Review", "TEXT", "Sentence "])
def test_the_usual_names_of_the_text_are_found(classifier, name, tmp_path, capsys):
    source = write(tmp_path / "in.csv", [{"id": "1", name: "good film", "label": "1"}])
    score(classifier, source, tmp_path / "out.csv")
    assert capsys.readouterr().err == f"{source}: the text is in column {name!r}\n"
    (row,) = read(tmp_path / "out.csv")
    assert list(row) == ["id", name, "label", "predicted_label", "p_negative", "p_positive"]
    assert row["label"] == "1" and row["predicted_label"] in ("Negative", "Positive")


def test_of_several_usual_names_the_first_is_taken(classifier, tmp_path):
    names = ["sentence", "Review", "text", "review"]
    for expected in ("review", "Review", "text", "sentence"):
        write(tmp_path / "in.csv", [{name: "good" if name == expected else "bad" for name in names}])
        score(classifier, tmp_path / "in.csv", tmp_path / "out.csv")
        score(classifier, tmp_path / "in.csv", tmp_path / "asked.csv", "--text_column", expected)
        assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "asked.csv").read_bytes()
        names.remove(expected)


def test_quotes_are_text_by_themselves_only_where_commas_are_not_between_fields(tmp_path):
    """Of a row with stray quotes and a text with a comma in quotes it would make what nobody wrote."""
    rows = ["n,review", *(f'{i},"good" film' for i in range(50))]
    for name, delimiter, quotes in ("in.csv", ",", "doubled"), ("in.tsv", "\t", "none"):
        path = tmp_path / name
        path.write_text("\n".join(rows).replace(",", delimiter) + "\n")
        assert recognise(path, path.suffix, None) == Dialect(delimiter, quotes)
        assert recognise(path, path.suffix, None, quotes="none") == Dialect(delimiter, "none")


def test_a_number_is_no_name_of_a_column():
    assert is_row(["4.5", "review"]) and is_row(["label", "1"]) and is_row(["What a film!"])
    assert not is_row(["label", "review"]) and not is_row(["version 1.2", "1.2.3"])

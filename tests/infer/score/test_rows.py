"""Rows that cannot be read are named by their line and skipped, and the next one is read."""

import pytest
from scoring import read, refused, score

import infer.score.rows

BAD = {
    ".csv": (
        b'\xef\xbb\xbfn,review\r\n1,"good\nfilm"\r\n2,bad,plot\r\n\r\n3,\xff\r\n4,"a ""b"" c"\n'
        b'5,"open\n6,"a" b\n7,good\rbad\n8\n9,dull\n9,"a\n\xff\nb,c"\n10,"never closed\n11,fine',
        ["line 4: 3 fields, not 2", "line 6: not UTF-8", "line 8: ',' expected after '\"'"]
        + ["line 9: ',' expected after '\"'", "line 10: new-line character seen in unquoted field"]
        + ["line 11: 1 fields, not 2", "line 13: not UTF-8", "line 16: a quote that is never closed"],
        ["good\nfilm", 'a "b" c', "dull", "fine"],
    ),
    ".tsv": (b"review\tn\ngood\t1\nbad 2\nfilm\t3\n", ["line 3: 1 fields, not 2"], ["good", "film"]),
    ".jsonl": (
        b'{"review": "good"}\n\n{"review": }\n{"review": null}\n{"text": 1}\n["review"]\n{"review": "\xff"}\n'
        b'{"review": "\\ud800"}\n{"review": "a", "x": NaN}\n{"review": 5}\n' + b"[" * 100_000 + b"\n"
        b'{"review": "good", "x": ' + b'[{"y": ' * 50 + b"[]" + b"}]" * 50 + b'}\n{"review": "a", "review": "b"}\n'
        b'{"review": "good", "x": ' + b'{"y": ' * 101 + b"1" + b"}" * 101 + b"}\n"
        b' \t {"review": "plot", "x": ' + b'[{"y": ' * 50 + b"1" + b"}]" * 50 + b"} \r",
        ["line 3: broken JSON: Expecting value at column 12", "line 4: review is NoneType, not text"]
        + ["line 5: no review", "line 6: no JSON object", "line 7: not UTF-8", "line 8: not Unicode: half a"]
        + ["line 9: a number that is NaN or infinite: NaN", "line 10: review is int, not text"]
        + ["line 11: nested deeper than 100", "line 12: nested deeper than 100", "line 13: a key that comes twice"]
        + ["line 14: nested deeper than 100"],
        ["good", "plot"],
    ),
    ".txt": (b"good\n\xe9\n\nplot\r\n", ["line 2: not UTF-8"], ["good", "", "plot"]),
}


@pytest.mark.parametrize("suffix", BAD)
def test_bad_rows_are_named_by_their_line_counted_and_skipped(classifier, suffix, tmp_path, capsys):
    content, problems, good = BAD[suffix]
    source, output = tmp_path / f"in{suffix}", tmp_path / "out.jsonl"
    source.write_bytes(content)
    score(classifier, source, output)
    stdout, stderr = capsys.readouterr()
    lines = stderr.splitlines(keepends=True)
    if any("not UTF-8" in problem for problem in problems):
        likely = "likely cp1252: read it with --encoding cp1252 (make: ENCODING=cp1252)"
        assert lines.pop() == f"{source}: not UTF-8, {likely}\n"
    for line, problem in zip(lines, problems, strict=True):
        assert line.startswith(f"{source}: {problem}") and line.endswith(": skipped\n")
    errors = tmp_path / "out.jsonl.errors"
    assert f"scored {len(good)} rows, {len(problems)} bad row" in stdout and stdout.endswith(f" listed in {errors}\n")
    assert [row["review"] for row in read(output)] == good
    assert not any("\ufeff" in name for row in read(output) for name in row), "a byte order mark is in no column's name"
    listed = "".join(f"{source}: {line}: skipped\n" for line in errors.read_text().splitlines())
    assert listed == "".join(lines)
    output.unlink()
    errors.unlink()
    line = refused(classifier, source, output, "--strict")
    assert line.startswith(f"{source}: {problems[0]}") and line.endswith("leave out --strict to skip it")
    assert list(tmp_path.iterdir()) == [source]


def test_quotes_that_are_never_closed_do_not_take_for_ever(classifier, tmp_path, capsys, monkeypatch):
    """Each of these lines opens a quote, and closes and opens one if it stands in one."""
    monkeypatch.setattr(infer.score.rows, "MAX_READ_AGAIN", 100_000)
    source = tmp_path / "in.csv"
    source.write_text("n,review\n1,good\n" + 'a","\n' * 1000 + "2,bad\n")
    score(classifier, source, tmp_path / "out.csv")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{source}: line 3: a quote that is never closed: skipped"
    assert lines[-1].endswith("a quote that is never closed, up to line 1003: skipped") and len(lines) < 10
    assert [row["n"] for row in read(tmp_path / "out.csv")] == ["1"]


def test_a_line_that_does_not_end_is_one_bad_row(classifier, tmp_path, capsys):
    (tmp_path / "in.txt").write_bytes(b"good\n" + b"a" * 100_000_000 + b"\nbad\n")
    score(classifier, tmp_path / "in.txt", tmp_path / "out.txt")
    assert "in.txt: line 2: longer than 33554432 bytes: skipped" in capsys.readouterr().err
    assert len(read(tmp_path / "out.txt")) == 2

"""Bad rows: each is counted and listed, the first are said, and what else they may be is said once."""

import pytest

from infer.score.bad_rows import REPORTED, BadRows, name_of


@pytest.fixture
def listed(tmp_path):
    with open(tmp_path / "errors", "wb", buffering=0) as file:
        yield file


@pytest.mark.parametrize("count, rest", [(REPORTED, ""), (REPORTED + 1, "in.csv: and 1 more bad rows: skipped\n")])
def test_the_first_are_said_and_the_rest_are_counted(count, rest, listed, tmp_path, capsys):
    bad = BadRows(several=False, is_text=True, strict=False, listed=listed)
    for number in range(count):
        bad.report(tmp_path / "in.csv", f"line {number}", "3 fields, not 2")
    said = capsys.readouterr().err.splitlines()
    assert said == [f"{tmp_path}/in.csv: line {number}: 3 fields, not 2: skipped" for number in range(REPORTED)]
    bad.report_rest("in.csv")
    assert capsys.readouterr().err == rest and bad.count == count
    lines = (tmp_path / "errors").read_text().splitlines()
    assert lines == [f"line {number}: 3 fields, not 2" for number in range(count)]


def test_a_list_that_cannot_be_written_ends_it(tmp_path):
    with open("/dev/full", "wb", buffering=0) as full:
        bad = BadRows(several=False, is_text=True, strict=False, listed=full)
        with pytest.raises(SystemExit, match="in.csv: cannot list its bad rows: No space left on device: mend that"):
            bad.report("in.csv", "line 1", "broken")


@pytest.mark.parametrize(
    "is_text, why, advice",
    [
        (True, "not UTF-8", ", likely cp1252: read it with --encoding cp1252 (make: ENCODING=cp1252)"),
        (False, "not UTF-8", ": mend it"),  # a .parquet, whose text cannot be of another encoding
        (True, "broken", ": mend it"),
    ],
)
def test_what_is_wrong_with_the_first_and_what_to_do(is_text, why, advice, listed, tmp_path, capsys):
    path = tmp_path / "in.txt"
    path.write_text("ça", encoding="latin-1")
    with pytest.raises(SystemExit) as ended:
        BadRows(several=False, is_text=is_text, strict=True, listed=listed).report(path, "line 1", why)
    assert ended.value.code == f"{path}: line 1: {why}{advice}, or leave out --strict to skip it"
    bad = BadRows(several=True, is_text=is_text, strict=False, listed=listed)
    bad.report(path, "line 1", why)
    bad.report_rest("all")
    said = [f"{path}: line 1: {why}: skipped", *([f"{path}: not UTF-8{advice}"] if "likely" in advice else [])]
    assert capsys.readouterr().err.splitlines() == said
    assert (tmp_path / "errors").read_text() == f"{path}: line 1: {why}\n"


def test_several_files_are_called_by_the_first():
    names = ["a.csv", "b.csv", "c.csv", "d.csv"]
    assert [name_of(names[:count]) for count in (1, 2, 4)] == ["a.csv", "a.csv and 1 more", "a.csv and 3 more"]

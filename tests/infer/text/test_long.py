"""What is read of texts that are longer than the model reads, how that becomes one answer, what is said of the rest."""

import numpy as np
import pytest

from infer.text.long import LONG, MAX_WINDOWS, combine, count, reach_of, say, spans_of, to_spans

ROOMS = 1, 2, 5, 22, 126


@pytest.mark.parametrize("room", ROOMS)
def test_windows_hold_every_piece_and_none_is_short_and_there_are_as_few_as_can_be(room):
    for length in range(room + 1, 12 * room + 2):
        ids = list(range(length))
        windows = spans_of(ids, room, "windows")
        assert all(window == ids[window[0] : window[0] + room] for window in windows), "as they are, all of one length"
        assert windows[0][0] == 0 and windows[-1][-1] == length - 1, "from end to end"
        steps = np.diff([window[0] for window in windows])
        assert steps.min() > 0 and steps.max() <= room, "nothing lies between them"
        assert np.ptp(steps) <= 1, "equally far apart"
        assert (len(windows) - 1) * room < length, "one less would not hold it"


@pytest.mark.parametrize("room", ROOMS)
def test_a_text_has_at_most_so_many_windows(room):
    reach = reach_of(room)
    for length in (reach, reach + 1, 10 * reach):
        windows = spans_of(list(range(length)), room, "windows")
        assert len(windows) == MAX_WINDOWS == 64 and windows[-1][-1] == reach - 1


def test_head_and_tail_are_a_quarter_and_the_rest():
    ids = list(range(1000))
    assert spans_of(ids, 510, "head_tail") == [[*range(127), *range(617, 1000)]]
    assert spans_of(ids, 8, "head_tail") == [[0, 1, 994, 995, 996, 997, 998, 999]]
    assert spans_of(ids, 1, "head_tail") == [[999]]
    assert spans_of(ids, 8, "cut") == [[*range(8)]]


@pytest.mark.parametrize("long", LONG)
@pytest.mark.parametrize("length", [0, 1, 7, 8])
def test_what_is_not_longer_is_read_as_it_is(length, long):
    assert spans_of(list(range(length)), 8, long) == [list(range(length))]


def test_an_answer_is_the_mean_of_the_logarithms_of_its_windows():
    ids = [[1], [*range(40)], [], [*range(9)]]
    spans, first = to_spans(ids, 8, "windows")
    assert first.tolist() == [0, 1, 6, 7] and len(spans) == 9
    answers = np.random.default_rng(0).dirichlet([1, 1, 1], len(spans)).astype(np.float32)
    combined = combine(answers, first)
    assert combined.dtype == np.float32
    np.testing.assert_array_equal(combined[[0, 2]], answers[[0, 6]])
    for text, begin, end in ((1, 1, 6), (3, 7, 9)):
        product = np.prod(answers[begin:end].astype(float), axis=0) ** (1 / (end - begin))
        np.testing.assert_allclose(combined[text], product / product.sum(), rtol=1e-5)
    assert combine(np.empty((0, 3), np.float32), np.empty(0, int)).shape == (0, 3)


def test_a_probability_of_nought_is_no_nan():
    combined = combine(np.float32([[1, 0], [0, 1], [0, 1]]), np.array([0]))
    assert np.isfinite(combined).all() and combined[0, 1] > 0.999
    assert np.isnan(combine(np.float32([[np.nan, 0], [0, 1]]), np.array([0]))).any(), "what is one stays one"


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_counted_is_what_is_read(room):
    lengths = [0, room, room + 1, 3 * room, 7 * room + 3, reach_of(room) + 5]
    counted = count(lengths, room) + count([2 * reach_of(room)], room)
    ids = [list(range(length)) for length in [*lengths, 2 * reach_of(room)]]
    read = {long: [set().union(*spans_of(text, room, long)) for text in ids] for long in LONG}
    assert counted["texts"] == 7 and counted["pieces"] == sum(map(len, ids)) and counted["huge"] == 1
    assert counted["longer"] == sum(set(text) != cut for text, cut in zip(ids, read["cut"], strict=True))
    assert counted["windows"] == len(to_spans(ids, room, "windows")[0])
    for long, name in (("cut", "cut"), ("head_tail", "cut"), ("windows", "beyond")):
        assert counted[name] == sum(len(text) - len(some) for text, some in zip(ids, read[long], strict=True))


def test_what_is_not_read_is_said_in_a_line(capsys):
    def line(lengths, long="cut", **advice):
        say("in.csv", count(lengths, 126), 126, long, **advice)
        return capsys.readouterr().err

    assert line([126, 5]) == line([]) == ""
    begin = "in.csv: 1 of 4 texts is longer than the 126 WordPieces that the model reads; "
    reads = ": --long windows reads them, in 1.8 times as many rows\n"
    assert line([400, 5, 5, 90]) == f"{begin}not read: 54.8% of all WordPieces{reads}"
    between = "not read, between the first 31 and the last 95: 54.8% of all WordPieces"
    assert line([400, 5, 5, 90], "head_tail") == f"{begin}{between}{reads}"
    assert line([400, 5, 5, 90], "windows") == f"{begin}read in windows, in 1.8 times as many rows\n"
    assert line([400, 5, 5, 90], advice="") == f"{begin}not read: 54.8% of all WordPieces\n"
    reach = reach_of(126)
    beyond = "read in windows, in 64.0 times as many rows; not read, beyond 64: 20.0% of all WordPieces\n"
    assert line([reach * 5 // 4] * 2, "windows").endswith(f"2 of 2 texts are {begin[24:]}{beyond}")
    assert "--long windows reads more, in 64.0 times" in line([reach * 5 // 4] * 2)
    assert "at least 50.0% of all" in line([2 * reach], "windows"), "of whose middle there may be more"

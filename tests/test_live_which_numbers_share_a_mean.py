"""What the figures of notebooks 00 and 02 show, against computations of their own."""

import numpy as np
import pytest
from matplotlib.path import Path

from normlib import batch_norm, layer_norm
from normlib.axes import IMAGE_READINGS, count_sets
from normlib.live import cube
from normlib.live import which_numbers_share_a_mean as topic


@pytest.mark.parametrize(
    ("norm", "expected"), [("batch", "column"), ("layer", "row"), ("rms", "row")]
)
def test_outlined_cells_are_those_that_respond_to_the_picked_one(norm, expected):
    """The index set of the picture is the set that the maths really shares."""
    figure = topic.NormTable()
    figure.set(norm=norm, sample=1, feature=3)
    x = topic.digits_table()
    measured = topic.listeners(lambda a: topic.TABLE_NORMS[norm](a)[0], x, (1, 3))
    if norm == "rms":
        measured[1] |= x[1] == 0  # a zero stays zero, though its divisor moved
    outline, _ = figure.outlines[0]
    assert len(outline.get_paths()) == measured.sum()
    rows, columns = np.nonzero(measured)
    assert set(columns if expected == "column" else rows) == {
        3 if expected == "column" else 1
    }


def test_the_readers_function_drives_the_table():
    figure = topic.NormTable(lambda x: layer_norm(x)[0])
    assert figure.sentence.startswith("Your function: ")
    assert "5 of 30 results depend on it" in figure.sentence
    whole = topic.NormTable(lambda x: (x - x.mean()) / x.std())
    assert "30 of 30 results depend on it" in whole.sentence
    same = topic.NormTable(lambda x: x)
    assert "1 of 30 results depend on it" in same.sentence


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: ..., "still returns the ..."),
        (lambda x: None, "returned None"),
        (lambda x: x[0], "returned shape (5,)"),
        (lambda x: x / 0 * np.nan, "NaN"),
        (lambda x: undefined_name, "NameError"),  # noqa: F821
    ],
)
def test_a_function_that_fails_is_told_why_and_the_table_stays(function, words):
    with np.errstate(all="ignore"):
        figure = topic.NormTable(function)
    assert figure.sentence.startswith("Not drawn: your ")
    assert words in figure.sentence
    figure.set(norm="batch")
    assert figure.sentence.startswith("Batch norm")


def test_the_sentence_has_the_numbers_of_the_table():
    figure = topic.NormTable()
    figure.set(norm="batch", sample=0, feature=4, change=5)
    x = topic.digits_table()
    x[0, 4] += 5
    column = x[:, 4]
    assert f"becomes {batch_norm(x)[0][0, 4]:.2f}" in figure.sentence
    assert f"mean {column.mean():.2f}" in figure.sentence
    assert f"deviation {column.std():.2f}" in figure.sentence


@pytest.mark.parametrize("reading", IMAGE_READINGS)
def test_the_bars_of_the_cube_are_the_counts(reading):
    figure = topic.NormCube()
    figure.set(norm=reading, num_groups=3)
    norm, options = topic._options(reading, 3)
    at = list(IMAGE_READINGS).index(reading)
    expected = count_sets(norm, figure.shape, **options)
    assert figure.rectangles[at].get_width() == expected
    assert figure.counts[at].get_text() == str(expected)


@pytest.mark.painted
def test_groups_that_do_not_divide_are_refused_and_stay_set():
    figure = topic.NormCube()
    figure.set(norm="group")
    before = figure.png
    figure.set(num_groups=4)
    assert "4 groups do not divide 6 channels" in figure.sentence
    assert figure.controls["num_groups"].value == 4
    assert figure.png == before


@pytest.mark.parametrize("reading", list(IMAGE_READINGS))
def test_only_group_norm_minds_the_number_of_groups(reading):
    figure = topic.NormCube()
    figure.set(norm="group", num_groups=3)
    figure.set(num_groups=4, norm=reading)
    refused = "do not divide" in figure.sentence
    assert refused == (reading == "group")
    if not refused:
        assert figure.sentence.startswith(topic._heading(reading))
        assert "Group norm with" not in figure.sentence
        at = list(IMAGE_READINGS).index("group")
        assert figure.counts[at].get_text() == "G does not divide C"


@pytest.mark.parametrize(
    ("norm", "own", "others"),
    [("instance", 0, 0), ("layer (C, H, W)", 0, 0), ("batch", 1, 1), ("none", 1, 0)],
)
def test_a_brighter_digit_reaches_whom_the_norm_lets_it(norm, own, others):
    """A factor on one digit: who changes, by the norm."""
    figure = topic.FeatureMaps()
    figure.set(norm=norm, gain=3.0)
    x = figure.x.copy()
    x[5] *= 3.0
    change = np.abs(topic.MAP_NORMS[norm](x) - topic.MAP_NORMS[norm](figure.x))
    assert (change[5].max() > 0.05) == bool(own)
    assert (np.delete(change, 5, axis=0).max() > 1e-9) == bool(others)


def test_a_number_has_one_colour_in_all_maps():
    figure = topic.FeatureMaps()
    figure.set(norm="none")
    cells = [*figure.before, *figure.after]
    assert {cell.mesh.get_clim() for cell in cells} == {(-3.5, 3.5)}
    for x, y in zip(figure.before, figure.after, strict=True):
        np.testing.assert_array_equal(x.get_array(), y.get_array())


@pytest.mark.parametrize(
    ("norm", "words"),
    [("batch", "Batch norm"), ("layer (C, H, W)", "Layer norm over (C, H, W)")],
)
def test_a_sentence_names_norm_and_axes(norm, words):
    figure = topic.FeatureMaps()
    figure.set(norm=norm)
    assert figure.sentence.startswith(f"{words}, digit 5")


def test_a_cell_of_the_table_is_picked_and_its_number_dragged():
    figure = topic.NormTable()
    left, right = figure.touches()
    figure.press(*right.place(4, 5))
    figure.release()
    assert (figure.values["sample"], figure.values["feature"]) == (5, 4)
    figure.press(*left.place(0, 1))
    figure.drag(*left.place(0, 3))
    figure.release()
    assert figure.values == {"norm": "batch", "sample": 1, "feature": 0, "change": 0}
    figure.press(*left.place(0, 1))
    figure.drag(*left.place(0, 0.5))
    assert figure.values["change"] == 4
    assert f"x[1, 0] = {figure.table[1, 0] + 4:.0f}" in figure.sentence


@pytest.mark.parametrize(
    ("place", "picked"),
    [
        ((3.5, 2.0), (0, 3)),  # the front
        ((3.5 + 0.55 * 2.5, 6 + 0.42 * 2.5), (2, 3)),  # the top
        ((6 + 0.55 * 1.5, 2 + 0.42 * 1.5), (1, 5)),  # the right side
        ((-0.5, 6.5), (0, 4)),  # beside the cube: as before
    ],
)
def test_a_small_cube_is_picked_where_it_is_seen(place, picked):
    figure = topic.NormCube()
    (touch,) = figure.touches()
    figure.press(*touch.place(*place))
    assert (figure.values["sample"], figure.values["channel"]) == picked


@pytest.mark.parametrize("turn", [-50, -20, 0, 35, 50])
def test_every_face_that_is_seen_picks_its_small_cube(turn):
    """The middle of each painted face, where no later one covers it."""
    shape = (4, 6, 6)
    polygons, _ = cube.faces(np.ones(shape, bool), "#336699", turn=turn)
    entries = sorted(
        np.ndindex(shape), key=lambda e: (-e[0], e[2], e[1] if turn >= 0 else -e[1])
    )
    seen = set()
    for k, polygon in enumerate(polygons):
        middle = polygon.mean(axis=0)
        later = (Path(p).contains_point(middle) for p in polygons[k + 1 :])
        if (turn or k % 3 < 2) and not any(later):  # seen from the front, no sides
            n, c, _ = entries[k // 3]
            assert cube.entry_at(*middle, shape, turn) == (n, c)
            seen.add((n, c))
    assert len(seen) == 24  # all of them from above


def test_the_cube_is_turned_by_a_drag_and_keeps_what_was_picked():
    figure = topic.NormCube()
    (touch,) = figure.touches()
    figure.press(*touch.place(0.5, 0.5))
    assert figure.values["channel"] == 0
    figure.drag(*touch.place(4.0, 0.5))
    assert figure.values["turn"] < 50
    assert (figure.values["sample"], figure.values["channel"]) == (0, 4)
    figure.drag(*touch.place(40.0, 0.5))
    assert figure.values["turn"] == -50
    assert figure.sentence.endswith("Seen from the left.")
    figure.release()

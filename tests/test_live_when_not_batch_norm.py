"""What the figures of notebook 10 show, against computations of their own."""

import numpy as np
import pytest

from normlib.batch.sequences import step_means
from normlib.live.when_not_batch_norm import Lengths, Recurrence


def test_dragging_a_sequence_lengthens_it():
    figure = Lengths()
    (touch,) = figure.touches()

    class Start:
        y = 4.2

    assert touch.to_values(9.3, 4.0, Start) == {"sequence": 4, "length": 10}
    figure.set(**touch.to_values(30.0, 4.0, Start))
    assert figure.lengths[4] == figure.longest
    assert len(figure.cells.get_paths()) == sum(figure.lengths)


@pytest.mark.parametrize("padding", [False, True])
def test_the_means_are_those_of_the_sequences(padding):
    figure = Lengths()
    figure.set(sequence=2, length=11, padding=padding)
    lengths = list(figure.opening)
    lengths[2] = 11
    at, shown = figure.means.get_data()
    for step, mean in zip(at - 0.5, shown, strict=True):
        there = np.array(lengths) > step
        rows = figure.x[there, int(step)]
        divisor = len(lengths) if padding else len(rows)
        assert mean == pytest.approx(sum(rows) / divisor)
    assert [t.get_text() for t in figure.counts] == [
        str(sum(n > k for n in lengths)) for k in range(12)
    ]


def test_lengths_out_of_range_are_refused():
    with pytest.raises(ValueError, match="lengths must lie between 1 and 3"):
        step_means(np.ones((2, 3)), [1, 4])
    with pytest.raises(ValueError, match="lengths must have one entry"):
        step_means(np.ones((2, 3)), [1])


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_the_state_is_that_of_a_plain_loop(norm):
    figure = Recurrence()
    figure.set(norm=norm, gain=1.0, seed=3)
    rng = np.random.default_rng(3)
    weight = rng.standard_normal((64, 64)) / 8
    inputs = rng.standard_normal((60, 16, 64))
    h, sizes = np.zeros((16, 64)), []
    for x in inputs:
        s = h @ weight + x
        if norm == "layer":
            s = (s - s.mean(1, keepdims=True)) / s.std(1, keepdims=True)
        h = np.maximum(s, 0)
        sizes.append(np.sqrt((h**2).mean()))
    np.testing.assert_allclose(figure.lines[0].get_ydata(), sizes, rtol=1e-4)

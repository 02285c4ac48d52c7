"""What the figures of notebook 00 show, against runs of their own."""

import collections
import io

import numpy as np
import pytest
from PIL import Image

from normlib.live.start_here import FirstTable, TwoNetworks
from normlib.nets.digits_network import digits_network
from normlib.nets.training import fit


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_bars_are_what_plain_training_gives(norm):
    figure = TwoNetworks()
    figure.set(norm=norm, scale=3.0, seed=5)
    for k, scale in enumerate((1.0, 3.0)):
        net, digits, rng = digits_network(
            5,
            None if norm == "none" else norm,
            depth=3,
            width=32,
            standardized=False,
            dtype=np.float32,
        )
        x = digits.x_train * np.float32(scale)
        run = fit(net, x, digits.y_train, lr=0.2, batch_size=64, steps=60, rng=rng)
        collections.deque(run, maxlen=0)
        with net.in_mode("probe"):
            found = net.forward(digits.x_test * np.float32(scale)).argmax(axis=1)
        share = np.mean(found == digits.y_test)
        assert figure.bars[k].get_width() == pytest.approx(share)
        assert figure.shares[k].get_text() == f"{100 * share:.0f} %"


def test_a_run_that_diverges_is_said_to_leave_the_picture():
    figure = TwoNetworks()
    figure.set(scale=255.0)
    assert figure.labels[1].get_text().endswith("off the top")
    assert max(figure.lines[1].get_ydata()) > 60
    figure.set(scale=1.0)
    assert "off the top" not in figure.labels[1].get_text()


@pytest.mark.painted
def test_what_is_grey_stays_grey_in_the_saved_picture():
    figure = FirstTable()
    drawn = np.asarray(figure.as_image()).astype(int)
    saved = np.asarray(Image.open(io.BytesIO(figure._small_png())).convert("RGB"))
    grey = np.ptp(drawn, axis=-1) < 3
    assert np.mean(np.ptp(saved, axis=-1)[grey] > 8) < 0.001

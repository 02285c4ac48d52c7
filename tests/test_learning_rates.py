"""One network trained with many learning rates, the largest, and the envelope."""

import numpy as np
import pytest

from normlib.landscape.learning_rates import (
    envelope,
    largest_rate,
    train_at_rates,
)
from normlib.nets.watching import gather

SMALL = {"depth": 2, "width": 8, "steps": 20, "test_every": 10}


def test_a_copy_takes_the_steps_it_takes_alone():
    together = gather(train_at_rates("batch", [0.05, 0.5], **SMALL))
    for i, rate in enumerate([0.05, 0.5]):
        alone = gather(train_at_rates("batch", [rate], **SMALL))
        np.testing.assert_allclose(together.losses[:, i], alone.losses[:, 0])
        np.testing.assert_allclose(together.accuracies[-1, i], alone.accuracies[-1, 0])


def test_a_copy_that_diverges_leaves_the_others_alone():
    history = gather(train_at_rates(None, [0.05, 1e5], **SMALL))
    assert np.isfinite(history.losses[:, 0]).all()
    assert np.isnan(history.losses[-1, 1])
    assert history.accuracies[-1, 1] == 0.1
    low, high = envelope(history.losses)
    assert np.isfinite(low).all()
    np.testing.assert_array_equal(low[-1], history.losses[-1, 0])
    np.testing.assert_array_equal(high[-1], history.losses[-1, 0])


def test_all_diverging_ends_the_run():
    history = gather(train_at_rates(None, [1e5, 1e6], **SMALL))
    assert len(history.step) < 20
    assert not (np.nan_to_num(history.accuracies[-1]) > 0.2).any()


@pytest.mark.parametrize(
    ("rates", "message"), [([], "rates"), ([-1.0], "lr"), ([np.nan], "rates")]
)
def test_bad_rates_are_named(rates, message):
    with pytest.raises(ValueError, match=message):
        train_at_rates(None, rates, **SMALL)


def test_largest_rate():
    assert largest_rate([0.1, 1.0, 3.0], [0.99, 0.96, 0.95]) == 1.0
    assert largest_rate([0.1, 1.0, 3.0], [0.99, 0.1, 0.97]) == 3.0
    assert largest_rate([0.1], [0.5]) == 0.0
    assert largest_rate([0.1], [0.5], threshold=0.4) == 0.1


def test_the_envelope_is_not_a_property_of_the_landscape():
    """It widens with the rates that are chosen, over one and the same landscape."""
    narrow = gather(train_at_rates(None, [0.1, 0.11], **SMALL))
    wide = gather(train_at_rates(None, [0.01, 0.4], **SMALL))
    bands = [np.ptp(envelope(history.losses), axis=0) for history in (narrow, wide)]
    assert bands[0][0] == bands[1][0] == 0
    assert bands[1].mean() > 3 * bands[0].mean()


def test_envelope_takes_the_runs_that_go_on():
    losses = np.array([[1.0, 3.0], [np.nan, 2.0]])
    low, high = envelope(losses)
    np.testing.assert_array_equal(low, [1.0, 2.0])
    np.testing.assert_array_equal(high, [3.0, 2.0])

"""Claims of notebook 04."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib.batch.batch_noise import batch_noise, noisy_training
from normlib.batch.doctor import examine
from normlib.batch.running_lag import precise_statistics, running_lag
from normlib.batch.sorted_batches import sorted_batches
from normlib.datasets import digits_split
from normlib.live.batch_norm_modes import frozen
from normlib.nets.network import mlp, stack
from normlib.nets.training import accuracy, fit
from normlib.running import CONVENTIONS, half_life, weight_of_new

no_claim("04", "The jump by 2 at step 100 is put in by hand", "definition")
no_claim("04", "It starts at mean 0 and variance 1", "definition")
no_claim("04", "a network with four batch norms trains for 60 steps.", "definition")
no_claim("04", "Four causes are usual:", "counted on the page")
no_claim(
    "04", "Each of the four patients has one of the causes.", "counted on the page"
)
no_claim("04", "Your function is tried on the four.", "instruction")
no_claim("04", "the others are `(n_out,)`, `eps` is 1e-5.", "definition")
no_claim("04", "Going deeper: the noise", "instruction")
no_claim("04", 'Going deeper: "freeze the batch norm"', "instruction")
no_claim("04", "Going deeper: where folding fails", "instruction")
no_claim("04", "each step follows the mean gradient of 32 images.", "definition")
no_claim("04", "of 4, of 8, of 16, or all 32.", "definition")
no_claim("04", "It pads with 0 *after* the norm", "definition")
no_claim("04", "Four causes, four tests:", "counted on the page")


@claim(
    "04",
    "A batch counts less with every step after it.",
    "After $\\ln \\frac12 / \\ln(1-w)$ steps, the **half-life**, half of its weight "
    "is left.",
)
def test_what_is_left_of_a_batch():
    for w in (0.001, 0.1, 0.9):
        left = (1 - w) ** np.arange(50)
        assert (np.diff(left) < 0).all()
        assert (1 - w) ** half_life(w) == pytest.approx(0.5)


@claim(
    "04",
    "In Keras and most other libraries it is the weight of the *old* value",
    "In Keras that weights the old value: a new batch would count 0.9.",
    "0.9 for the old value is 0.1 for the new one.",
    "That is the default of Keras: a new batch counts 0.01.",
)
def test_conventions():
    weighed = [rule.momentum_weights for rule in CONVENTIONS.values()]
    assert weighed.count("old") > len(weighed) / 2
    assert weight_of_new(0.1, "keras") == pytest.approx(0.9)
    assert weight_of_new(0.9, "keras") == pytest.approx(weight_of_new(0.1, "pytorch"))
    assert weight_of_new(None, "keras") == pytest.approx(0.01)


@claim(
    "04",
    "(1 + 3) / 2 is 2, and the root of (1 + 9) / 2 is 2.24.",
    "Take the numbers: (1 + 3) / 2 against the root of 5.",
)
def test_the_mean_of_roots():
    assert np.sqrt([1, 9]).mean() == 2
    assert f"{np.sqrt(np.mean([1, 9])):.2f}" == "2.24"
    assert np.mean([1, 9]) == 5


@claim(
    "04",
    "They average over steps in which the variances were smaller.",
    "They look back, and back there the variances were smaller.",
    "In these steps the variance of its pre-activations grows.",
)
def test_variances_grow_and_running_ones_lag():
    words = "In these steps the variance of its pre-activations grows."
    for seed in seeds(words):
        rng = np.random.default_rng(seed)
        digits = digits_split(rng, standardized=True)
        net = mlp([64] * 5 + [10], norm="batch", rng=rng)
        kind = dict(lr=0.3, batch_size=32, steps=60, rng=rng)
        seen = []
        for record in fit(net, digits.x_train, digits.y_train, **kind):
            if record.step in (10, 60):
                state = net.state()
                norms = precise_statistics(net, digits.x_train).batch_norms()
                seen.append(np.mean([norm.buffers["running_var"] for norm in norms]))
                net.load(state)
        assert seen[1] > seen[0]
        (end,) = running_lag(seed, every=60)
        assert end.variance[1] < 1


@claim(
    "04",
    "Put one image into two batches. Do its scores differ? | cause 1 |",
    "with those after the evaluation. Did they move? | causes 1 and 2 |",
    "Measure precise statistics, evaluate again. Is it mended? | causes 2 and 3 |",
    "Precise statistics mend causes 2 and 3, and with 2 something would have moved.",
    "Do the means of training batches vary more than those of random batches? | "
    "cause 4 |",
)
def test_the_tests_tell_the_causes():
    found = {
        "A": (True, True, False, False),
        "B": (False, True, True, False),
        "C": (False, False, True, False),
        "D": (False, False, False, True),
    }
    for patient, answers in found.items():
        for seed in seeds(f"patient {patient}", 10):
            findings = examine(patient, seed)
            assert findings.answers == answers, (patient, seed)
            assert findings.training > 0.9
            assert findings.evaluation < findings.training - 0.05


def ends(group, images, words, n=40):
    """Return training loss, test loss and accuracy of n fresh networks at the end."""
    found = seeds(words, n)
    how = {"images": images, "every": 300, "dtype": np.float32}
    parts = [
        list(noisy_training(group, found[k : k + 10], **how))[-1][1:]
        for k in range(0, n, 10)
    ]
    return np.concatenate(parts, axis=1)


@pytest.mark.slow
@claim(
    "04",
    "Over 40 new networks each, groups of 8 lower the test loss in about nine of ten "
    "trained on 100 or 200 images and in about three quarters with 400: with few "
    "images a little noise helps more.",
    "A plain trade of a worse fit for a better test: with 100 images the *training* "
    'loss is lower, too, so more happens than "it regularizes".',
    "And with 400 images the accuracy hardly tells: groups of 8 win in about half of "
    "the networks.",
    "Groups of 4 with 400 images do harm.",
    "With few images a network overfits most, so there a little noise has most to "
    "mend.",
    "With many images there is less to mend: a network overfits less.",
    "Noise helps against overfitting, and a network overfits more the fewer images "
    "it has.",
)
def test_what_noise_does():
    words = "with few images a little noise helps more"
    lower, gains, gaps = [], [], []
    for images in (100, 200, 400):
        whole = ends(32, images, f"{words} {images}")
        parts = ends(8, images, f"{words} {images}")
        lower.append(np.mean(parts[1] < whole[1]))
        gains.append(np.median(whole[1] - parts[1]))
        gaps.append(np.median(whole[1] - whole[0]))  # test loss less training loss
        if images == 100:
            assert np.mean(parts[0] < whole[0]) > 0.9
    assert lower[:2] == pytest.approx([0.9, 0.9], abs=0.14), lower
    assert lower[2] == pytest.approx(0.75, abs=0.18), lower
    assert lower[0] > lower[2]
    assert min(gains[:2]) > 1.5 * gains[2] > 0, gains
    assert gaps[0] > gaps[1] > gaps[2]
    assert 0.2 < np.mean(parts[2] > whole[2]) < 0.7
    assert np.mean(parts[0] > whole[0]) > 0.85  # with 400 images
    harm = ends(4, 400, f"{words} 400")
    assert np.mean(harm[0] > whole[0]) > 0.9
    assert np.mean(harm[1] > whole[1]) > 0.8


@pytest.mark.slow
@claim(
    "04",
    "Take the *same images* in 480 steps of 4 instead of 60 of 32, with the learning "
    "rate in proportion: the network with four batch norms ends at about 0.86 of the "
    "test images, one with layer norms at about 0.95.",
    "Batch norm was behind with all of 10 seeds.",
)
def test_small_batches_cost():
    fresh, right = seeds("Batch norm was behind with all of 10 seeds.", 20), []
    for norm in ("batch", "layer"):
        rngs = [np.random.default_rng(seed) for seed in fresh]
        data = [digits_split(rng, standardized=True) for rng in rngs]
        x, labels, x_test, test_labels = map(np.stack, zip(*data, strict=True))
        net = stack([mlp([64] * 5 + [10], norm=norm, rng=rng) for rng in rngs])
        kind = dict(lr=0.3 * 4 / 32, batch_size=4, steps=480, rng=rngs[0])
        for _ in fit(net, x, labels, **kind):
            pass
        right.append(accuracy(net, x_test, test_labels))
    batch, layer = right
    assert (batch < layer).all()
    assert np.median(batch) == pytest.approx(0.86, abs=0.025)
    assert np.median(layer) == pytest.approx(0.95, abs=0.01)


@claim(
    "04",
    "16 times the images halve the error of a mean twice: 1/sqrt(16).",
    "falls to about a quarter",
)
def test_a_quarter():
    """Of the mean over the units; a single unit may be far from it."""
    assert 1 / np.sqrt(128 / 8) == 0.25
    fell = []
    for seed in seeds("From batches of 8 to batches of 128, the spread"):
        found = batch_noise(seed, batch_sizes=(8, 128), example=seed % 500)
        fell.append(found.noise[1] / found.noise[0])
    assert np.median(fell) == pytest.approx(0.25, abs=0.03)
    assert 0.2 < min(fell) and max(fell) < 0.33, fell


@claim(
    "04",
    "In PyTorch, `requires_grad = False` turns off 1 alone; `eval()` turns off 2 and "
    "3.",
    "In Keras, `trainable = False` turns off 1, 2 and 3 together.",
    "Switch 1 is about gradient descent, which never touched the running statistics.",
)
def test_switches():
    """What each setting stops, in the layer that has the switches."""
    requires_grad, evaluation, keras = (
        frozen(False, True, True, 2.0),
        frozen(True, False, False, 2.0),
        frozen(False, False, False, 2.0),
    )
    assert [value > 0 for value in requires_grad[:3]] == [False, True, True]
    assert [value > 0 for value in evaluation[:3]] == [True, False, False]
    assert [value > 0 for value in keras[:3]] == [False, False, False]


@claim("04", "With layer norm the same batches teach well over 0.9.")
def test_sorted_batches():
    words = "With layer norm the same batches teach well over 0.9."
    for seed in seeds(words, 10):
        found = sorted_batches(seed, norms=("batch", "layer"), classes=(1,))
        assert found.running[0, 0] < 0.2
        assert found.train_loss[0, 0] > np.log(10)
        assert found.running[1, 0] > 0.92


@claim("04", "A constant 3 has variance 9 under dropout 1/2, and 0 without")
def test_dropout():
    assert np.var([6.0, 0.0]) == 9
    assert np.var([3.0, 3.0]) == 0

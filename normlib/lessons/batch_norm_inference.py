"""Lesson of notebook 04: running statistics, and a layer that has two modes."""

import numpy as np

from normlib import batch_norm_inference, instance_norm
from normlib.batch.doctor import CAUSES, examine
from normlib.batch.sorted_batches import sorted_batches
from normlib.lessons.checks import NotYet, call, shown
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.batch_norm_inference import (
    Averages,
    Doctor,
    Groups,
    Lag,
    OneDigit,
    RunningMean,
    Switches,
    spread_by_size,
)
from normlib.live.batch_norm_modes import frozen
from normlib.running import half_life, update_running

QUESTIONS = {
    "port": Question(
        "A PyTorch layer with momentum 0.1 is ported to Keras. Which momentum keeps "
        "its pace?",
        {
            "0.1": "In Keras that weights the old value: a new batch would count 0.9.",
            "0.9": "0.9 for the old value is 0.1 for the new one. (The stored "
            "variances still differ: 1/(N-1) there, 1/N here.)",
            "0.99": "That is the default of Keras: a new batch counts 0.01.",
        },
        right="0.9",
    ),
    "no_grad": Question(
        "A network in training mode processes some images under `no_grad`, without "
        "gradients. Do its running statistics move?",
        {
            "yes": "They are no parameters and need no gradient: the forward pass "
            "itself writes them.",
            "no": "`no_grad` stops what the backward pass needs. The forward pass of "
            "training mode writes the running statistics all the same.",
        },
        right="yes",
    ),
    "deviations": Question(
        "Two batches have the variances 1 and 9. You average their deviations "
        "instead of their variances. Compared with the root of the averaged variance, "
        "that is ...",
        {
            "less": "(1 + 3) / 2 is 2, and the root of (1 + 9) / 2 is 2.24. The root "
            "bends downwards, so a mean of roots lies below the root of the mean.",
            "the same": "That holds only if all batches have one variance.",
            "more": "Take the numbers: (1 + 3) / 2 against the root of 5.",
        },
        right="less",
    ),
    "lag": Question(
        "Momentum 0.01, 60 steps, and the start is taken out of the average. Against "
        "the precise variances of the same weights, the running ones are ...",
        {
            "too small": "They average over steps in which the variances were smaller.",
            "right": "Taking the start out leaves an average of real batches, but "
            "of batches that older weights produced.",
            "too large": "They look back, and back there the variances were smaller.",
        },
        right="too small",
    ),
    "mended": Question(
        "From the last step of training to the end of the evaluation a network's "
        "running statistics do not move, and precise statistics mend it. What is "
        "wrong?",
        {
            "no_grad taken for eval()": "What passed through in training mode would "
            "have moved the running statistics.",
            "momentum too small": "Precise statistics mend causes 2 and 3, and with 2 "
            "something would have moved. So the running statistics still hold their "
            "start.",
            "unlike batches": "Precise statistics are one mean and one variance, too, "
            "and no one of either fits unlike batches.",
        },
        right="momentum too small",
    ),
    "noise": Question(
        "From batches of 8 to batches of 128, the spread of one image's results, "
        "averaged over the units, ...",
        {
            "stays": "Its own value stays; the mean and the deviation of its batch do "
            "not.",
            "falls to about a quarter": "16 times the images halve the error of a mean "
            "twice: 1/sqrt(16).",
            "falls to about a sixteenth": "Errors of a mean fall with the root of the "
            "number of images, not with the number.",
        },
        right="falls to about a quarter",
    ),
    "regularizes": Question(
        "Groups of 8 share a mean, or all 32. With how many training images do the "
        "groups of 8 lower the test loss in the most networks?",
        {
            "100": "With few images a network overfits most, so there a little noise "
            "has most to mend.",
            "400": "With many images there is less to mend: a network overfits less.",
            "all the same": "Noise helps against overfitting, and a network overfits "
            "more the fewer images it has.",
        },
        right="100",
    ),
    "freeze": Question(
        "You set `gamma` and `beta` to untrainable and go on training. Do the running "
        "statistics still move?",
        {
            "yes": "Gradient descent leaves gamma and beta alone. The running "
            "statistics are moved by the forward pass.",
            "no": "Switch 1 is about gradient descent, which never touched the running "
            "statistics.",
        },
        right="yes",
    ),
}

RUNNING = [
    Notice(
        "Momentum 0.1 for the new value: after 6.58 steps half of a batch is "
        "forgotten.",
        {"convention": "pytorch", "momentum": 0.1},
        lambda figure: (
            f"{half_life(0.1):.2f}" == "6.58"
            and "half-life 6.58" in figure.note.get_text()
        ),
    ),
    Notice(
        "The same 0.1 for the old value: a new batch weighs 0.9, and the average "
        "hardly averages.",
        {"convention": "keras", "momentum": 0.1},
        lambda figure: (
            np.std(np.diff(figure.line.get_ydata()))
            > 0.7 * np.std(np.diff(figure.means))
        ),
    ),
    Notice(
        "Momentum 0.01: the curve is smooth, and far behind after the jump.",
        {"convention": "pytorch", "momentum": 0.01},
        lambda figure: figure.true[-1] - figure.line.get_ydata()[-1] > 0.5,
    ),
    Notice(
        "With the start taken out, the first steps are right at once.",
        {"convention": "pytorch", "momentum": 0.01, "corrected": True},
        lambda figure: np.abs(figure.line.get_ydata()[:50] - 1).max() < 0.3,
    ),
]


def _averages(figure):
    sizes, rows = spread_by_size(figure.values["unit"])
    return rows[:, sizes == figure.values["size"]][:, 0]


AVERAGES = [
    Notice(
        "Batches of 4: variances with 1/N give about 0.87 of the true standard "
        "deviation (the root of 3/4), averaged deviations about 0.80.",
        {"size": 4, "unit": 3, "deviations": True},
        lambda figure: np.allclose(_averages(figure), [1, 0.866, 0.80], atol=0.01),
    ),
    Notice(
        "Batches of 64: nobody can tell the three apart.",
        {"size": 64, "deviations": True},
        lambda figure: np.ptp(_averages(figure)) < 0.02,
    ),
    Notice(
        "Batches of 2: averaged deviations lose about 40 percent. At inference such a "
        "network scales every activation up.",
        {"size": 2, "deviations": True},
        lambda figure: 0.35 < 1 - _averages(figure)[2] < 0.45,
    ),
    Notice(
        "Unit 48 loses more by averaged deviations than unit 37: that depends on the "
        "distribution. (N-1)/N does not.",
        {"size": 4, "unit": 48, "deviations": True},
        lambda figure: (
            spread_by_size(37)[1][2, 1] - spread_by_size(48)[1][2, 1] > 0.03
            and abs(spread_by_size(37)[1][1, 1] - spread_by_size(48)[1][1, 1]) < 0.005
        ),
    ),
]

LAG = [
    Notice(
        "Momentum 0.01: with the start taken out, the variances are about 6 percent "
        "too small.",
        {"momentum": 0.01},
        lambda figure: 0.92 < figure.points[-1].variance[1] < 0.96,
        seeds=10,
    ),
    Notice(
        "As stored, the means are the larger trouble: about 0.3 standard deviations "
        "off, because much of them is still the start.",
        {"momentum": 0.01},
        lambda figure: (
            0.2 < figure.points[-1].mean[0] < 0.4 and figure.points[-1].mean[1] < 0.1
        ),
        seeds=10,
    ),
    Notice(
        "Momentum 0.1: the start is forgotten and the variances are within 2 percent.",
        {"momentum": 0.1},
        lambda figure: abs(figure.points[-1].variance - 1).max() < 0.02,
        seeds=10,
    ),
    Notice(
        "Momentum 1: only the last batch counts, and its noise is all there is: the "
        "means are further off than at 0.1.",
        {"momentum": 1.0},
        lambda figure: figure.points[-1].mean[1] > 0.05,
        seeds=10,
    ),
]

DOCTOR = [
    Notice(
        "Patient A: the scores of one image depend on its batch.",
        {"patient": "A", "test": "two batches"},
        lambda figure: _finds(figure) == (True, True, False, False),
        seeds=10,
    ),
    Notice(
        "Patient B: no score depends on its batch, but the running statistics moved "
        "after training.",
        {"patient": "B", "test": "before, after"},
        lambda figure: _finds(figure) == (False, True, True, False),
        seeds=10,
    ),
    Notice(
        "Patient C: nothing moved, and precise statistics mend it.",
        {"patient": "C", "test": "precise"},
        lambda figure: _finds(figure) == (False, False, True, False),
        seeds=10,
    ),
    Notice(
        "Patient D: one training batch is unlike the next, and one mean has to serve "
        "both. So precise statistics do not mend it either: press `precise`.",
        {"patient": "D", "test": "alike?"},
        lambda figure: _finds(figure) == (False, False, False, True),
        seeds=10,
    ),
]


def _finds(figure):
    return examine(figure.values["patient"], figure.values["seed"]).answers


ONE_DIGIT = [
    Notice(
        "One digit, 150 batches of 8, as many results. At evaluation there is one.",
        {"size": 8},
        lambda figure: len(np.unique(figure.dots.get_ydata())) == 150,
    ),
    Notice(
        "From batches of 16 on, the spread follows the dashed line within a tenth.",
        {"size": 128},
        lambda figure: np.allclose(
            figure.curve.get_ydata()[3:], figure.rule.get_ydata(), rtol=0.1
        ),
    ),
    Notice(
        "Batches of 2: nearly every result is -1 or 1. Of two values one is above the "
        "mean and one below.",
        {"size": 2},
        lambda figure: (
            np.mean(np.abs(np.abs(figure.dots.get_ydata()) - 1) < 0.05) > 0.9
        ),
    ),
]


def _lower(figure, what):
    """Return in how many of ten networks a loss is lower than with 32 together."""
    whole, parts = figure.found
    return np.sum(parts[what] < whole[what])


GROUPS = [
    Notice(
        "100 images, groups of 8: the test loss is lower in most of the ten networks. "
        "But the training loss is lower, too.",
        {"group": 8, "images": 100},
        lambda figure: _lower(figure, 2) > 5 and _lower(figure, 1) > 5,
    ),
    Notice(
        "400 images, groups of 8: the training loss is higher than with 32.",
        {"group": 8, "images": 400},
        lambda figure: _lower(figure, 1) <= 2,
    ),
    Notice(
        "400 images, groups of 4: too much. Both losses are higher in most of the ten.",
        {"group": 4, "images": 400},
        lambda figure: _lower(figure, 1) < 5 and _lower(figure, 2) < 5,
    ),
]

SWITCHES = [
    Notice(
        "Untick only the first: the layer looks frozen, and its running statistics "
        "move by as much as before.",
        {"trainable": False},
        lambda figure: (
            figure.words[0].get_text() == "stays"
            and figure.words[1].get_text().startswith("moves")
        ),
    ),
    Notice(
        "Untick the other two: this is evaluation mode. No answer depends on its "
        "batch, and gamma and beta are still trained.",
        {"use_batch": False, "update": False},
        lambda figure: (
            [w.get_text()[:5] for w in figure.words] == ["moves", "stays", "stays"]
        ),
    ),
    Notice(
        "Untick only the last, at brightness 3: training never notices. Inference "
        "does: it uses the old numbers, and 84 instead of 94 percent are right.",
        {"update": False, "gain": 3.0},
        lambda figure: (
            "84 % of" in figure.sentence
            and f"{frozen(True, True, True, 3.0)[3]:.0%}" == "94%"
        ),
    ),
]


def updated(running_mean, running_var, x, momentum):
    """Return the running statistics after a batch, by PyTorch's rule."""
    mean = (1 - momentum) * running_mean + momentum * x.mean(axis=0)
    var = (1 - momentum) * running_var + momentum * x.var(axis=0, ddof=1)
    return mean, var


def _mixed(new_var):
    """Return an update that takes `new_var` of the batch for its variance."""
    return lambda m, v, x, w: (
        updated(m, v, x, w)[0],
        (1 - w) * v + w * new_var(x),
    )


def diagnosis(scores_differ, statistics_moved, precise_mends, batches_unlike):
    """Return the cause, 1 to 4."""
    if scores_differ:
        return 1
    if statistics_moved:
        return 2
    if precise_mends:
        return 3
    return 4


def _check_diagnosis(function):
    for cause, patient in enumerate(CAUSES, start=1):
        findings = examine(patient, 0).answers
        said = call(function, *findings)
        number = isinstance(said, int | float | np.number)
        if isinstance(said, bool) or not (number and said in (1, 2, 3, 4)):
            raise NotYet(f"for {findings} it returned {shown(said)}, not 1, 2, 3 or 4.")
        if said != cause:
            raise NotYet(
                f"for patient {patient}, with findings {findings}, it returned {said}."
                " Which cause explains all four findings?"
            )
    return "all four patients have the cause that your function names."


def folded(weight, bias, mean, var, gamma, beta):
    """Return the linear map that does the work of two layers."""
    s = gamma / np.sqrt(var + 1e-5)
    return weight * s, (bias - mean) * s + beta


def _fold_inputs():
    rng = np.random.default_rng(6)
    weight, bias = rng.normal(size=(4, 3)), rng.normal(size=3)
    mean, var = rng.normal(size=3), np.array([0.5, 2.0, 1e-3])
    return [(weight, bias, mean, var, rng.normal(size=3), rng.normal(size=3))]


def _update_inputs():
    rng = np.random.default_rng(5)
    mean, var = rng.normal(size=3), rng.uniform(1, 2, size=3)
    return [(mean, var, rng.normal(2.0, 3.0, size=(6, 3)), 0.1)]


def _fold_mistake(change):
    """Return a fold whose (weight, bias) are `change(s, *arguments)`."""
    return lambda w, b, m, v, g, t: change(g / np.sqrt(v + 1e-5), w, b, m, v, g, t)


EXERCISES = {
    "update": Exercise(
        solution=updated,
        inputs=_update_inputs,
        right="one tenth of the new batch, nine tenths of what was, and 1/(N-1).",
        hints=(
            "`momentum` is the weight of the new value. What weighs the old one?",
            "`x.var(axis=0, ddof=1)` is the variance with 1/(N-1).",
        ),
        mistakes={
            "momentum weights the new value here: 0.1 of the batch, 0.9 of the old.": (
                lambda m, v, x, w: updated(m, v, x, 1 - w)
            ),
            "keep the variance with 1/(N-1).": _mixed(lambda x: x.var(axis=0)),
            "a deviation joins a variance.": _mixed(lambda x: x.std(axis=0, ddof=1)),
            "a deviation joins a variance, and it has 1/N.": _mixed(
                lambda x: x.std(axis=0)
            ),
            "average variances, not deviations.": lambda m, v, x, w: (
                updated(m, v, x, w)[0],
                ((1 - w) * np.sqrt(v) + w * x.std(axis=0, ddof=1)) ** 2,
            ),
            "the statistics of the batch alone: where is what was?": (
                lambda m, v, x, w: (x.mean(axis=0), x.var(axis=0, ddof=1))
            ),
        },
    ),
    "diagnosis": Exercise(
        solution=diagnosis,
        check=_check_diagnosis,
        hints=(
            "Ask first for the finding that only one cause gives.",
            "Scores that differ: 1. If not, statistics that moved: 2. If not, mended "
            "by precise statistics: 3. Else 4.",
        ),
    ),
    "fold": Exercise(
        solution=folded,
        inputs=_fold_inputs,
        right="one linear map does the work of two layers.",
        hints=(
            "Multiply out: what stands before `x W`, and what is left?",
            "`weight * s`, and the old bias is scaled too: `(bias - mean) * s`.",
        ),
        mistakes={
            "the weight has to be scaled too.": _fold_mistake(
                lambda s, w, b, m, v, g, t: (w, (b - m) * s + t)
            ),
            "divide by the root of var + eps.": lambda w, b, m, v, g, t: (
                w * g / (v + 1e-5),
                (b - m) * g / (v + 1e-5) + t,
            ),
            "eps is missing in the root.": lambda w, b, m, v, g, t: (
                w * g / np.sqrt(v),
                (b - m) * g / np.sqrt(v) + t,
            ),
            "the old bias and the running mean are still there.": _fold_mistake(
                lambda s, w, b, m, v, g, t: (w * s, t)
            ),
            "the old bias is scaled too: (bias - mean) * s.": _fold_mistake(
                lambda s, w, b, m, v, g, t: (w * s, b + t - m * s)
            ),
            "where is the old bias?": _fold_mistake(
                lambda s, w, b, m, v, g, t: (w * s, t - m * s)
            ),
            "the mean is subtracted.": _fold_mistake(
                lambda s, w, b, m, v, g, t: (w * s, (b + m) * s + t)
            ),
        },
    ),
}


def _images():
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(2, 3, 6, 6))
    return x, x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))


def _affine():
    x, mean, var = _images()
    y = batch_norm_inference(x, mean, var)
    mixed = batch_norm_inference(0.3 * x + 0.7 * x[::-1], mean, var)
    return np.allclose(mixed, 0.3 * y + 0.7 * y[::-1])


def _tracked_instance_norm():
    """Compare instance norm in both modes; what it tracks is a mean per channel."""
    x, _, _ = _images()
    channel = x.mean(axis=(2, 3)), x.var(axis=(2, 3), ddof=1)
    tracked = update_running(
        np.zeros(3),
        np.ones(3),
        *(part.mean(axis=0) for part in channel),
        36,
        momentum=1,
    )
    return np.allclose(instance_norm(x)[0], batch_norm_inference(x, *tracked))


def _dropout():
    kept = np.random.default_rng(0).binomial(1, 0.5, 10_000) / 0.5
    return np.isclose(np.var(3.0 * kept), np.var([3.0, 3.0]))


CARDS = {
    "sorted": Card(
        "Each training batch holds images of one digit only. A network with batch norm "
        "still learns to tell the digits apart.",
        test=lambda: (
            sorted_batches(1, norms=("batch",), classes=(1,)).running[0, 0] > 0.2
        ),
        why="Batch norm takes away what the images of a batch have in common, and that "
        "is what tells the digit. Its training loss stays above that of a guess, so "
        "this one is bad in training, too. With layer norm the same batches teach well "
        "over 0.9.",
    ),
    "affine": Card(
        "In evaluation mode, batch norm is an affine map of each feature.",
        test=_affine,
        why="The statistics are constants then. In training mode they depend on `x`.",
    ),
    "instance": Card(
        "Instance norm with tracked statistics does the same in training and "
        "evaluation.",
        test=_tracked_instance_norm,
        why="It tracks one pair per channel, the average over the images. In "
        "evaluation the layer is then a batch norm, and a faint image stays faint.",
    ),
    "dropout": Card(
        "Dropout (with rescaling) before a batch norm leaves its variance at "
        "evaluation as in training.",
        test=_dropout,
        why="Rescaling keeps the mean. A constant 3 has variance 9 under dropout 1/2, "
        "and 0 without: the stored variance is wrong at evaluation.",
    ),
}

lesson = Lesson(
    "04",
    questions=QUESTIONS,
    figures={
        "running_mean": Shown(RunningMean, RUNNING),
        "averages": Shown(Averages, AVERAGES),
        "lag": Shown(Lag, LAG),
        "doctor": Shown(Doctor, DOCTOR),
        "one_digit": Shown(OneDigit, ONE_DIGIT),
        "groups": Shown(Groups, GROUPS),
        "switches": Shown(Switches, SWITCHES),
    },
    exercises=EXERCISES,
    cards=CARDS,
)

"""Lesson of notebook 05: the way back through a norm, and what is lost on it."""

import numpy as np

from normlib import standardize
from normlib.gradients.three_paths import measured_gradient
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.gradients import (
    Equilibrium,
    KeepNormalized,
    Paths,
    Projection,
    WeightPlane,
)

QUESTIONS = {
    "one_sample": Question(
        "The upstream gradient d is 0 for all samples but sample 3. Which samples have "
        "dx different from 0?",
        {
            "only sample 3": "That is the direct path alone. Moving another x moves "
            "the "
            "mean and the variance, and with them x_hat[3].",
            "in general, all": "Moving any x moves the mean and the variance, and with "
            "them x_hat[3].",
            "none": "Moving x[3] moves x_hat[3], unless the norm takes all of it back.",
        },
        right="in general, all",
    ),
    "friend": Question(
        "A friend's backward pass is 17 (d - mean(d)). Which of the two upstream "
        "gradients shows that it is wrong?",
        {
            "d = 1": "There the friend's is 17 times 0, and the truth is 0 as well.",
            "d = x_hat": "The truth is 0 there, and the friend's is 17 x_hat: its mean "
            "is 0 already.",
            "both": "With d = 1 the friend's is 17 times 0, and the truth is 0 as "
            "well.",
            "neither": "A formula passes both only if it loses the mean of d *and* its "
            "part along x_hat. The friend's loses one.",
        },
        right="d = x_hat",
    ),
    "directions": Question(
        "The figure has three samples. Take a batch of two instead, with eps = 0. What "
        "is dx?",
        {
            "0, whatever d is": "Two numbers have two directions, and dx loses two. "
            "x_hat is (-1, 1) or (1, -1), so it cannot change.",
            "0 only if d = x_hat": "What is not along x_hat is along (1, 1), and that "
            "part is lost, too.",
            "some multiple of d": "With two numbers, every d is a part along (1, 1) "
            "and a part along x_hat. Both are lost.",
        },
        right="0, whatever d is",
    ),
    "constants": Question(
        "The gradient takes mean and standard deviation for constants. The loss asks "
        "for more of both. What happens?",
        {
            "both settle": "The loss sees the same x_hat after each step, so it asks "
            "for "
            "the same again.",
            "both grow, the loss falls": "x_hat is the same for every mean and "
            "deviation of x, so nothing improves.",
            "both grow, the loss stays": "The step changes them, the norm takes the "
            "change away, and the next step asks for it again.",
        },
        right="both grow, the loss stays",
    ),
    "decay": Question(
        "You add weight decay to weights before batch norm. In the long run, training "
        "...",
        {
            "prefers simpler functions": "The length of w does not change the "
            "function, "
            "so a penalty on it cannot prefer one.",
            "takes larger turns per step": "Decay holds w short, and a step turns "
            "short "
            "weights by a larger angle.",
            "does not change": "The function of given weights does not. But the length "
            "decides how far a step turns them.",
        },
        right="takes larger turns per step",
    ),
    "product": Question(
        "You double the learning rate and halve the weight decay. In the long run, "
        "which is the same as before?",
        {
            "the length of W": "It goes with the quotient of the two.",
            "the angle of a step": "Only the product of the two is in sqrt(2 lr "
            "decay).",
            "both": "The length goes with the quotient of the two, which has changed.",
        },
        right="the angle of a step",
    ),
}


def _passes(figure):
    return figure.title.get_text() == "the check passes"


PATHS = [
    Notice(
        "Random d: the bars end at the diamonds only with both paths on.",
        {"mean": True, "var": True},
        lambda figure: _passes(figure),
        seeds=10,
    ),
    Notice(
        "All ones, only the mean on: the check passes, and the formula is wrong.",
        {"upstream": "all ones", "mean": True, "var": False},
        lambda figure: _passes(figure),
        seeds=10,
    ),
    Notice(
        "d = x_hat, only the variance on: another wrong formula passes.",
        {"upstream": "x_hat", "mean": False, "var": True},
        lambda figure: _passes(figure),
        seeds=10,
    ),
]


def _parts(figure):
    return [path.vertices[1, 0] for path in figure.bars[1].get_paths()]


PROJECTION = [
    Notice(
        "Move d along (1, 1, 1) or along x_hat: the blue arrow stays.",
        {"ones": -1.2, "radial": -0.5},
        lambda figure: np.allclose(_parts(figure), [0, 0, 1.1]),
    ),
    Notice(
        "Move d along the rest: it follows, always along the tangent of the circle.",
        {"across": -0.6},
        lambda figure: np.allclose(_parts(figure), [0, 0, -0.6]),
    ),
    Notice(
        "Nothing along the rest: nothing is left, however long d is.",
        {"ones": 1.2, "radial": 1.2, "across": 0.0},
        lambda figure: np.allclose(_parts(figure), 0),
    ),
]

KEEP = [
    Notice(
        "Between the steps: mean and deviation of x grow without end. What the loss "
        "sees does not move, and neither does the loss.",
        {"way": "between steps", "step": 60},
        lambda figure: (
            figure.run.bias[-1] > 2
            and figure.run.scale[-1] > 3
            and np.ptp(figure.run.loss) < 1e-9
        ),
    ),
    Notice(
        "Inside: both stay. The right gradient knows that neither can lower the loss.",
        {"way": "inside", "step": 60},
        lambda figure: (
            np.allclose(figure.run.bias, 0) and np.allclose(figure.run.scale, 1)
        ),
    ),
    Notice(
        "A penalty of 1: x ends at mean 0.5 and deviation 1.5, halfway between what "
        "the loss and what the penalty want.",
        {"way": "penalty", "lr": 0.2, "step": 60},
        lambda figure: np.allclose(
            [figure.run.bias[-1], figure.run.scale[-1]], [0.5, 1.5], atol=0.01
        ),
    ),
    Notice(
        "A penalty of 8: nearer, not there.",
        {"way": "penalty", "penalty": 8.0, "step": 60},
        lambda figure: 0.08 < figure.run.bias[-1] < 0.15,
    ),
]


def _length(figure):
    return figure.lines[3].get_ydata()


PLANE = [
    Notice(
        "Without decay the length never falls, and the effective rate goes from 0.500 "
        "to 0.117 in 60 steps.",
        {"step": 60},
        lambda figure: (
            (np.diff(_length(figure)) > 0).all()
            and "from 0.500 to 0.117" in figure.sentence
        ),
    ),
    Notice(
        "A start three times as long: the same learning rate turns w less.",
        {"start": 3.0, "step": 60},
        lambda figure: figure.turning[-1] < 0.5 * figure.turning_of(1.0)[59],
    ),
    Notice(
        "Weight decay 0.05, from a long start: the length falls until the turns are "
        "about as large as the dashed line says.",
        {"start": 3.0, "weight_decay": 0.05, "step": 200},
        lambda figure: (
            _length(figure)[-1] < 1.5 and 0.6 < figure.turning[-1] / 12.81 < 1.6
        ),
    ),
]


def _settled(figure, within=0.06):
    return (
        abs(figure.length / figure.predicted - 1) < within
        and abs(figure.turned / figure.angle - 1) < within
    )


def _steps_down(figure):
    """Return the first step at which the length is within a tenth of the predicted."""
    steps, lengths = figure.artists[0].get_data()
    return steps[np.argmax(np.abs(lengths / figure.predicted - 1) < 0.1)]


def _usual_steps_down():
    figure = Equilibrium()
    figure.go()
    return _steps_down(figure)


EQUILIBRIUM = [
    Notice(
        "Learning rate 0.2 with decay 0.04: length and angle end at their dashed "
        "lines.",
        {"lr": 0.2, "weight_decay": 0.04},
        _settled,
    ),
    Notice(
        "Learning rate 0.4 with decay 0.02: the same angle, another length.",
        {"lr": 0.4, "weight_decay": 0.02},
        lambda figure: _settled(figure) and figure.length > 3.5,
    ),
    Notice(
        "Forty percent of the labels random: it settles too, at another length.",
        {"lr": 0.2, "weight_decay": 0.04, "labels": "40 % random"},
        _settled,
    ),
    Notice(
        "Weights times 3 at the start: the length comes down to its dashed line after "
        "about 550 steps, not 300.",
        {"start": 3.0},
        lambda figure: (
            540 < _steps_down(figure) < 560 and 280 < _usual_steps_down() < 320
        ),
    ),
]


def through_affine(dy, x_hat, gamma):
    """Return d, dgamma and dbeta of y = gamma * x_hat + beta."""
    return dy * gamma, (dy * x_hat).sum(axis=0), dy.sum(axis=0)


def through_statistics(d, x, eps):
    """Return dvar, the mean held, and dmean."""
    c, inv_std = x - x.mean(axis=0), 1 / np.sqrt(x.var(axis=0) + eps)
    return -0.5 * inv_std**3 * (d * c).sum(axis=0), -inv_std * d.sum(axis=0)


def backward(d, x, eps):
    """Return dx from the three paths."""
    c, inv_std = x - x.mean(axis=0), 1 / np.sqrt(x.var(axis=0) + eps)
    dvar = -0.5 * inv_std**3 * (d * c).sum(axis=0)
    dmean = -inv_std * d.sum(axis=0)
    return d * inv_std + dmean / len(x) + dvar * 2 * c / len(x)


def _arrays():
    """Return d and x of shape (6, 3), of different means and spreads."""
    rng = np.random.default_rng(11)
    x = 4 + np.array([0.3, 1.0, 2.0]) * rng.normal(size=(6, 3))
    return rng.normal(size=x.shape), x


def _affine_inputs():
    dy, x = _arrays()
    return [(dy, standardize(x, 0, eps=0.01)[0], np.array([0.5, 2.0, -1.5]))]


def _with_eps():
    return [(*_arrays(), 0.01)]


def _other_affine(d=None, dgamma=None, dbeta=None):
    """Return the affine step with some of its results replaced."""

    def wrong(dy, x_hat, gamma):
        right = through_affine(dy, x_hat, gamma)
        given = (d, dgamma, dbeta)
        return tuple(
            r if other is None else other(dy, x_hat, gamma)
            for r, other in zip(right, given, strict=True)
        )

    return wrong


def _other_statistics(dvar=1.0, dmean=1.0):
    """Return the second step with factors on its results."""

    def wrong(d, x, eps):
        first, second = through_statistics(d, x, eps)
        return dvar * first, dmean * second

    return wrong


def _paths(mean=1.0, var=1.0, direct=1.0):
    """Return dx with factors on its three paths."""

    def wrong(d, x, eps):
        inv_std = 1 / np.sqrt(x.var(axis=0) + eps)
        dvar, dmean = through_statistics(d, x, eps)
        c = x - x.mean(axis=0)
        return (
            direct * d * inv_std + mean * dmean / len(x) + var * dvar * 2 * c / len(x)
        )

    return wrong


def _without_eps(function):
    return lambda d, x, eps: function(d, x, 0.0)


EXERCISES = {
    "through_affine": Exercise(
        solution=through_affine,
        inputs=_affine_inputs,
        right="gamma scales what goes on, and each parameter collects from all "
        "samples.",
        hints=(
            "`dbeta` collects from every sample that `beta` reached. What does "
            "`gamma` multiply?",
            "`dy * gamma`, the sum of `dy * x_hat` over the samples, the sum of `dy`.",
        ),
        mistakes={
            "dgamma is a sum over the samples, not a mean.": _other_affine(
                dgamma=lambda dy, x_hat, gamma: (dy * x_hat).mean(axis=0)
            ),
            "dgamma: gamma multiplies x_hat, so x_hat belongs in it.": _other_affine(
                dgamma=lambda dy, x_hat, gamma: dy.sum(axis=0)
            ),
            "dbeta is a sum over the samples, not a mean.": _other_affine(
                dbeta=lambda dy, x_hat, gamma: dy.mean(axis=0)
            ),
            "d: x_hat reaches y multiplied by gamma.": _other_affine(
                d=lambda dy, x_hat, gamma: dy
            ),
        },
    ),
    "through_statistics": Exercise(
        solution=through_statistics,
        inputs=_with_eps,
        right="a larger variance makes every x_hat smaller, a larger mean every x_hat "
        "lower.",
        hints=(
            "x_hat is `(x - mean) * (var + eps)**-0.5`. Derive by `var`, then by "
            "`mean`, and sum over the samples that use it.",
            "`-0.5 * (var + eps)**-1.5 * (d * (x - mean)).sum(axis=0)`, and "
            "`-d.sum(axis=0) / sqrt(var + eps)`.",
        ),
        mistakes={
            "dvar has the wrong sign: a larger var makes x_hat smaller.": (
                _other_statistics(dvar=-1)
            ),
            "dvar: the derivative of v**-0.5 has the factor -1/2.": _other_statistics(
                dvar=2
            ),
            "dmean has the wrong sign: the mean is subtracted.": _other_statistics(
                dmean=-1
            ),
            "both are used by all samples: take sums, not means.": _other_statistics(
                1 / 6, 1 / 6
            ),
            "eps is missing beside the variance.": _without_eps(through_statistics),
            "dvar: x_hat holds x - mean, not x.": lambda d, x, eps: (
                -0.5 * (x.var(axis=0) + eps) ** -1.5 * (d * x).sum(axis=0),
                through_statistics(d, x, eps)[1],
            ),
        },
    ),
    "backward": Exercise(
        solution=backward,
        inputs=_with_eps,
        right="all three paths are there, with eps.",
        hints=(
            "How fast does `mean` change when one x moves? How fast does `var`?",
            "`d * inv_std + dmean / N + dvar * 2 * (x - mean) / N`.",
        ),
        mistakes={
            "only the direct path is there.": _paths(mean=0, var=0),
            "the path through the mean is missing.": _paths(mean=0),
            "the path through the variance is missing.": _paths(var=0),
            "the mean is sum(x) / N: dmean reaches x as 1/N.": _paths(mean=6),
            "the variance is a mean of squares: divide by N.": _paths(var=6),
            "the derivative of c**2 is 2 c.": _paths(var=0.5),
            "the path through the mean has the wrong sign.": _paths(mean=-1),
            "the path through the variance has the wrong sign.": _paths(var=-1),
            "eps is missing beside the variance.": _without_eps(backward),
            "the factor inv_std is missing.": lambda d, x, eps: (
                backward(d, x, eps) * np.sqrt(x.var(axis=0) + eps)
            ),
        },
    ),
}


def _friend_is_found():
    """Whether the check with ones tells the friend's formula from the gradient."""
    d, x = np.ones(8), np.random.default_rng(0).normal(3.0, 2.0, size=8)
    friend = 17 * (d - d.mean())
    return not np.allclose(friend, measured_gradient(d, x), atol=1e-6)


def _sum_is_zero():
    d, x = _arrays()
    return np.allclose(backward(d, x, 4.0).sum(axis=0), 0, atol=1e-12)


def _longer_moves_more():
    figure = WeightPlane()
    return bool(figure.turning_of(3.0)[59] > figure.turning_of(1.0)[59])


CARDS = {
    "ones": Card(
        "A gradient check with upstream gradient 1 shows that a backward pass is "
        "right.",
        test=_friend_is_found,
        why="The formula with 17 passes. The true gradient is 0 there, and any formula "
        "that takes the mean away gives 0. Use random numbers.",
    ),
    "eps": Card(
        "With eps above 0, dx still sums to 0.",
        test=_sum_is_zero,
        why="eps changes the length of x_hat, not its mean. Only the direction of "
        "x_hat "
        "is no longer removed in full.",
    ),
    "longer": Card(
        "Longer weights before a norm make larger steps in the function.",
        test=_longer_moves_more,
        why="The gradient is shorter and the way around is longer: the angle of a step "
        "goes as one over the square of the length.",
    ),
}

lesson = Lesson(
    "05",
    questions=QUESTIONS,
    figures={
        "paths": Shown(Paths, PATHS),
        "projection": Shown(Projection, PROJECTION),
        "my_projection": Shown(Projection, solved=("backward",)),
        "keep": Shown(KeepNormalized, KEEP),
        "plane": Shown(WeightPlane, PLANE),
        "equilibrium": Shown(Equilibrium, EQUILIBRIUM),
    },
    exercises=EXERCISES,
    cards=CARDS,
)

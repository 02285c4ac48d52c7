"""Lesson of notebook 06: layer norm as a projection onto a sphere."""

import numpy as np

from normlib import layer_norm
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.hypersphere import (
    TINY,
    Affine,
    BesideRMS,
    Centring,
    Epsilon,
    Folding,
    ManyFeatures,
    Projection,
    Singular,
    TwoFeatures,
    YourSphere,
    points_in_space,
)
from normlib.sphere.geometry import projection_steps
from normlib.sphere.wrong_norms import WRONG_NORMS

QUESTIONS = {
    "two": Question(
        "Two features and `eps` = 0. Layer norm makes (1, -1) of (3, 1). What does it "
        "make of (3, 2.9)?",
        {
            "(0.05, -0.05), since they differ little": "That is left without the mean. "
            "But its standard deviation is 0.05 too, and divides it.",
            "(1, -1)": "On the line of mean 0 only two points have length `sqrt(2)`. "
            "Which feature is larger decides between them; nothing else survives.",
            "(0, 0), since they are nearly equal": "Only of equal features is nothing "
            "left.",
        },
        right="(1, -1)",
    ),
    "three": Question(
        "With three features the results fill a circle, as the figure shows. What do "
        "they fill with four?",
        {
            "a circle of radius 2": "A circle has one angle; four numbers less two, "
            "the mean and the length, leave two.",
            "a sphere of radius 2, like the surface of a ball": "Mean 0 leaves "
            "three dimensions. There the vectors of length `sqrt(4)` form the surface "
            "of a ball.",
            "all vectors of length 2": "They have mean 0, and not all of these have.",
        },
        right="a sphere of radius 2, like the surface of a ball",
    ),
    "eps": Question(
        "The variance of a point equals `eps`. How long is its result, as a fraction "
        "of `sqrt(n)`?",
        {
            "0": "`eps` shortens; it does not erase.",
            "a half": "That is what becomes of the square of the length.",
            "0.71": "The squared length is multiplied by var / (var + eps), one half. "
            "The length itself is multiplied by its root.",
            "1": "Only without `eps`.",
        },
        right="0.71",
    ),
    "gamma": Question(
        "n = 3, `beta` = 0 and `gamma` = (0, 1, 1): the first feature of each result "
        "is erased. The circle of results becomes ...",
        {
            "a piece of a line": "A circle looks like a line to someone in its plane. "
            "The axis of the first feature is not in the plane of mean 0.",
            "an ellipse": "With mean 0 two features tell the third. So different "
            "points of the circle stay different; they are only moved closer.",
            "a smaller circle": "The points whose first feature is 0 do not move, so "
            "one diameter stays as long as it was.",
        },
        right="an ellipse",
    ),
    "rms": Question(
        "RMS norm only divides by the root mean square. You add 6 to all features of "
        "points with mean 0 and standard deviation 1. Their results ...",
        {
            "do not move": "That is layer norm: it subtracts what you add.",
            "gather near (1, 1, 1)": "Nothing removes the common part, now 6 times "
            "as large as what tells the points apart.",
            "spread over the sphere": "The same push for all brings them together.",
            "go to 0": "RMS norm gives every point the length `sqrt(n)`.",
        },
        right="gather near (1, 1, 1)",
    ),
    "centring": Question(
        "`x @ W + b` shall have mean 0 over its features for every `x`. `W` has shape "
        "`(n_in, n_out)`. From `b` you subtract its mean; from `W` ...",
        {
            "the mean of each row": "A row holds what one input writes into all "
            "features. If each row sums to 0, so does every sum of rows.",
            "the mean of each column": "A column makes one feature. That feature "
            "changes, but the sum over the features need not become 0.",
            "the mean of all its entries": "That sets the mean of the rows' sums to 0. "
            "Each row has to sum to 0 by itself.",
        },
        right="the mean of each row",
    ),
    "fold": Question(
        "You fold `gamma` and `beta` into the next layer, in every block of a residual "
        "network. Where does the output of the network stay the same?",
        {
            "in pre-LN only": "There only the block reads the norm. In post-LN the "
            "skip carries `gamma` and `beta` too, and it has no weight to take them.",
            "in post-LN only": "There the skip starts behind the norm, so it would "
            "lose `gamma` and `beta`.",
            "in both": "In post-LN two paths start behind the norm, and only one of "
            "them has a weight.",
        },
        right="in pre-LN only",
    ),
    "many": Question(
        "`n` independent features of mean 0 and standard deviation 1: the squared "
        "length is `n`, give or take about `sqrt(2 n)`. And the length, when `n` goes "
        "from 10 to 1000?",
        {
            "sqrt(n), give or take less and less": "As a fraction of `sqrt(n)` that "
            "is so.",
            "sqrt(n), give or take about 0.7 each time": "The root of `n` + d is "
            "about `sqrt(n)` + d / (2 `sqrt(n)`), and `sqrt(2 n)` / (2 `sqrt(n)`) is "
            "0.7 for every `n`.",
            "sqrt(n), give or take more and more": "The square scatters more. Its "
            "root is ten times less sensitive at 1000 than at 10.",
        },
        right="sqrt(n), give or take about 0.7 each time",
    ),
    "singular": Question(
        "RMS norm, n = 8, the root mean square of x is 0.5, `eps` = 0. What are the 8 "
        "singular values of its derivative?",
        {
            "all are 2": "One direction is forgotten: growing.",
            "seven are 2, one is 0": "Adding to all features is seen, growing is not. "
            "What is left is divided by 0.5.",
            "six are 2, two are 0": "That is layer norm. RMS norm subtracts no mean, "
            "so it forgets one direction less.",
        },
        right="seven are 2, one is 0",
    ),
}


def _results(figure):
    """Return inputs and results of the figure of the projection."""
    values = figure.values
    x = figure.inputs(values["mean"], values["angle"])
    moved = values["scale"] * x + values["shift"]
    return layer_norm(x, eps=TINY)[0], layer_norm(moved, eps=TINY)[0]


def _ringed(figure):
    """Return the result of the marked point."""
    return _results(figure)[1][figure.followed]


TWO = [
    Notice(
        "Move `x[0]` past `x[1]`: the result jumps to the other point. Between, where "
        "both are equal, it is the origin.",
        {"first": 1.0, "second": 1.0},
        lambda figure: "nothing is left but the origin" in figure.sentence,
    ),
    Notice(
        "With `eps` = 1 part of the difference survives: near the diagonal points lie "
        "inside.",
        {"first": 1.5, "second": 1.0, "eps": 1.0},
        lambda figure: "part of the difference" in figure.sentence,
    ),
]
PROJECTION = [
    Notice(
        "Press play: the points drop straight down to the plane of mean 0, then move "
        "in or out to the circle.",
        {"step": 0},
        lambda figure: np.allclose(
            projection_steps(points_in_space(), eps=TINY).centred.mean(axis=-1), 0
        ),
    ),
    Notice(
        "Drag the square straight up or down: the ring, its result, stays. The mean is "
        "forgotten.",
        {"mean": -0.5},
        lambda figure: np.allclose(_ringed(figure), _ringed(Projection())),
    ),
    Notice(
        "Drag it to the side: the ring runs along the circle. All that is left of x "
        "is an angle.",
        {"angle": 60},
        lambda figure: (
            np.linalg.norm(_ringed(figure) - _ringed(Projection())) > 1
            and np.isclose(np.linalg.norm(_ringed(figure)), np.sqrt(3))
        ),
    ),
    Notice(
        "Add 1 to all features: no result moves.",
        {"shift": 1.0},
        lambda figure: np.allclose(*_results(figure)),
    ),
    Notice(
        "Half as large: no result moves either.",
        {"scale": 0.5},
        lambda figure: np.allclose(*_results(figure)),
    ),
    Notice(
        "A negative factor flips every point to the opposite side. So layer norm "
        "ignores *positive* scale only.",
        {"scale": -1.0},
        lambda figure: np.allclose(_results(figure)[0], -_results(figure)[1]),
    ),
    Notice(
        "Times 0 breaks it: equal features have no direction, and the result is the "
        "origin.",
        {"scale": 0.0},
        lambda figure: not _results(figure)[1].any(),
    ),
]


def _wrong(figure):
    return int(figure.sentence.split(" of 60 points are off")[0].split()[-1])


YOURS = [
    Notice(
        "The mean is left in: the points leave the plane.",
        {"norm": "no mean", "shift": 0.5},
        lambda figure: _wrong(figure) == 60,
    ),
    Notice(
        "`1/(n-1)`: the same directions, a smaller circle.",
        {"norm": "1/(n-1)"},
        lambda figure: "1.41" in figure.notes[1].get_text(),
    ),
    Notice(
        "`eps` outside the root hides at this size ...",
        {"norm": "eps outside", "scale": 2.0},
        lambda figure: (
            float(figure.sentence.split("by up to ")[1].split(";")[0]) < 1e-4
        ),
    ),
    Notice(
        "... and shows when the input is tiny.",
        {"norm": "eps outside", "scale": 0.001},
        lambda figure: float(figure.sentence.split("by up to ")[1].split(";")[0]) > 0.5,
    ),
]


def _lengths(figure):
    values = figure.values
    return np.linalg.norm(
        projection_steps(
            values["scale"] * points_in_space(),
            eps=values["eps"],
            ddof=int(values["divisor"] == "1/(n-1)"),
        ).scaled,
        axis=-1,
    )


EPSILON = [
    Notice(
        "Inputs far smaller than the root of `eps`: the points fall towards the "
        "centre.",
        {"scale": 1e-3},
        lambda figure: _lengths(figure).max() < 0.7,
    ),
    Notice(
        "At size 1 the lengths agree with 1.73 to two decimals.",
        {"scale": 1.0},
        lambda figure: np.abs(_lengths(figure) - np.sqrt(3)).max() < 0.005,
    ),
    Notice(
        "`1/(n-1)` in place of `1/n` changes the radius to the root of 2, 1.41, and "
        "nothing else.",
        {"scale": 1.0, "divisor": "1/(n-1)"},
        lambda figure: np.abs(_lengths(figure) - np.sqrt(2)).max() < 0.005,
    ),
]
AFFINE = [
    Notice(
        "Before gamma: the circle, in the plane.",
        {"step": 20},
        lambda figure: "a circle of radius 1.73" in figure.sentence,
    ),
    Notice(
        "After gamma: stretched along `x[0]`, the circle leaves the plane before "
        "`beta` does anything.",
        {"step": 30},
        lambda figure: "means run from -0.47" in figure.sentence,
    ),
    Notice(
        "`gamma[0]` = 0 flattens it: `x[0]` is gone. It is still an ellipse, since "
        "with mean 0 two features tell the third.",
        {"gamma": 0.0, "step": 30},
        lambda figure: "half axes 1.73, 1.00" in figure.sentence,
    ),
    Notice(
        "`gamma[0]` = -1 mirrors it: a circle again, tilted.",
        {"gamma": -1.0, "step": 30},
        lambda figure: "a circle of radius 1.73" in figure.sentence,
    ),
]
RMS = [
    Notice(
        "Mean 6, standard deviation 1: under RMS norm no two points are more than 19 "
        "degrees apart.",
        {"mean": 6.0, "std": 1.0},
        lambda figure: "widest angle 19 degrees" in figure.sentence,
    ),
    Notice(
        "Standard deviation 0.1: within 2 degrees. Layer norm shows no change.",
        {"mean": 6.0, "std": 0.1},
        lambda figure: (
            "widest angle 2 degrees" in figure.sentence
            and "layer norm 0 and 180 degrees" in figure.sentence
        ),
    ),
    Notice(
        "Mean 0: RMS norm and layer norm agree.",
        {"mean": 0.0, "std": 1.0},
        lambda figure: "widest angle 180 degrees" in figure.sentence,
    ),
]
CENTRING = [
    Notice(
        "Half of the mean taken out: better, but no point is right.",
        {"centred": 0.5},
        lambda figure: "off what layer norm gave" in figure.sentence,
    ),
    Notice(
        "All of it: the written vectors lie in the plane, and RMS norm gives exactly "
        "what layer norm gave.",
        {"centred": 1.0},
        lambda figure: "gives exactly" in figure.sentence,
    ),
]
FOLDING = [
    Notice(
        "`gamma` alone is not enough: `beta` passes through the weight, too.",
        {"folded": "gamma only"},
        lambda figure: "differ by up to" in figure.sentence,
    ),
    Notice(
        "Post-LN: wrong with the right fold, since the skip has lost `gamma` and "
        "`beta`.",
        {"position": "post-LN"},
        lambda figure: "differ by up to" in figure.sentence,
    ),
    Notice(
        "With no spread there is no `gamma` and `beta` to lose, and post-LN agrees as "
        "well.",
        {"position": "post-LN", "spread": 0.0},
        lambda figure: "agree to 1e-12" in figure.sentence,
    ),
]


def _moved(figure, norm):
    x = np.random.default_rng(0).normal(
        figure.values["mean"], 1, (300, figure.values["n"])
    )
    y = projection_steps(x, norm=norm, eps=0).scaled
    return np.linalg.norm(y - x, axis=1).mean() / np.sqrt(x.shape[1])


MANY = [
    Notice(
        "1000 independent features: every point is already close to the sphere *and* "
        "close to the plane.",
        {"n": 1000},
        lambda figure: _moved(figure, "layer") < 0.05,
    ),
    Notice(
        "Layer norm moves such a point by 3 % of its length. With 3 features it is 66 "
        "%.",
        {"n": 1000, "norm": "layer"},
        lambda figure: (
            round(_moved(figure, "layer"), 2) == 0.03
            and round(_moved(ManyFeatures(), "layer"), 2) == 0.66
        ),
    ),
    Notice(
        "A common mean, as large as the standard deviation: layer norm takes it away, "
        "RMS norm does not.",
        {"n": 1000, "mean": 1.0, "norm": "rms"},
        lambda figure: _moved(figure, "layer") > 0.9,
    ),
]
SINGULAR = [
    Notice(
        "RMS norm forgets one direction only: seven bars are left.",
        {"norm": "rms"},
        lambda figure: "rank 7; 7 singular values" in figure.sentence,
    ),
    Notice(
        "Layer norm with `eps` = 1: growing is no longer quite forgotten. Seven bars, "
        "one of them lower.",
        {"eps": 1.0},
        lambda figure: "rank 7; 6 singular values" in figure.sentence,
    ),
    Notice(
        "RMS norm with `eps` = 1: nothing is forgotten, all eight are left.",
        {"norm": "rms", "eps": 1.0},
        lambda figure: "rank 8" in figure.sentence,
    ),
    Notice(
        "A small standard deviation makes large derivatives.",
        {"sigma": 0.5},
        lambda figure: "1/std = 2.00" in figure.sentence,
    ),
]


def layer_norm_by_hand(x, eps=1e-5):
    """Return layer norm of each row."""
    centred = x - x.mean(axis=-1, keepdims=True)
    var = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(var + eps)


def fold_by_hand(weight, bias, gamma, beta):
    """Return the weight and bias that do the work of gamma and beta, too."""
    return gamma[:, None] * weight, bias + beta @ weight


def _rows():
    x = np.random.default_rng(6).normal(2.0, 1.5, size=(7, 3))
    return [(x, 1e-5), (1e-3 * x, 1e-5)]  # in the second the place of eps shows


def _unit(x, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=-1, keepdims=True)


def _parameters():
    rng = np.random.default_rng(6)
    return [
        (
            rng.standard_normal((5, 4)),
            rng.standard_normal(4),
            rng.normal(1.0, 0.5, 5),
            rng.standard_normal(5),
        )
    ]


EXERCISES = {
    "layer_norm": Exercise(
        solution=layer_norm_by_hand,
        inputs=_rows,
        right="on the plane, on the sphere, and inside it where eps matters.",
        hints=(
            "First onto the plane: subtract each row's mean, with `keepdims=True`.",
            "Then divide by the root of the mean square of what is left, plus `eps`.",
        ),
        mistakes={hint: wrong for wrong, hint in WRONG_NORMS.values()}
        | {
            "that is on the plane, but not on the sphere yet; divide.": (
                lambda x, eps=1e-5: x - x.mean(axis=-1, keepdims=True)
            ),
            "those have length 1; the sphere has radius sqrt(n).": _unit,
            "that shares one mean over the whole array; use axis=-1 and "
            "keepdims=True.": (
                lambda x, eps=1e-5: (x - x.mean()) / np.sqrt(x.var() + eps)
            ),
        },
    ),
    "fold": Exercise(
        solution=fold_by_hand,
        inputs=_parameters,
        right="weight' = diag(gamma) weight and bias' = bias + beta weight.",
        hints=(
            "Multiply out `(x_hat * gamma + beta) @ weight + bias`. Which part has "
            "`x_hat` in it?",
            "`gamma` scales the rows of `weight`; `beta @ weight` joins the bias.",
        ),
        mistakes={
            "the weight is unchanged: gamma scales what it reads.": (
                lambda w, b, g, t: (w, b + t @ w)
            ),
            "gamma divides there; it should multiply, as in the norm.": (
                lambda w, b, g, t: (w / g[:, None], b + t @ w)
            ),
            "the bias is unchanged: beta passes through the weight too.": (
                lambda w, b, g, t: (g[:, None] * w, b)
            ),
            "beta went through the folded weight, so gamma scales it as well; in the "
            "norm beta is added after gamma.": (
                lambda w, b, g, t: (g[:, None] * w, b + t @ (g[:, None] * w))
            ),
            "the old bias got lost; add it.": (
                lambda w, b, g, t: (g[:, None] * w, t @ w)
            ),
        },
    ),
}


def _points():
    return np.random.default_rng(0).normal(size=(20, 8))


def _direction_changes():
    x = _points()
    unit = [projection_steps(x, eps=0, ddof=d).scaled for d in (0, 1)]
    unit = [y / np.linalg.norm(y, axis=-1, keepdims=True) for y in unit]
    return not np.allclose(*unit)


CARDS = {
    "any_factor": Card(
        "Layer norm gives the same for x and a x, for every a other than 0.",
        test=lambda: np.allclose(
            layer_norm(-2 * _points(), eps=0)[0], layer_norm(_points(), eps=0)[0]
        ),
        why="Only for a > 0. A negative factor turns the direction around.",
    ),
    "direction": Card(
        "A variance with 1/(n - 1) changes the direction of the result.",
        test=_direction_changes,
        why="It changes the length only, from sqrt(n) to sqrt(n - 1).",
    ),
    "unit_sphere": Card(
        "Layer norm projects onto the unit sphere.",
        test=lambda: np.allclose(
            np.linalg.norm(layer_norm(_points(), eps=0)[0], axis=-1), 1
        ),
        why="Nearly right. The radius is sqrt(n), and of the sphere only the slice "
        "with mean 0 is reached.",
    ),
}

lesson = Lesson(
    "06",
    questions=QUESTIONS,
    figures={
        "two_features": Shown(TwoFeatures, TWO),
        "projection": Shown(Projection, PROJECTION),
        "your_sphere": Shown(YourSphere, YOURS, solved=("layer_norm",)),
        "epsilon": Shown(Epsilon, EPSILON),
        "affine": Shown(Affine, AFFINE),
        "beside_rms": Shown(BesideRMS, RMS),
        "centring": Shown(Centring, CENTRING),
        "folding": Shown(Folding, FOLDING, solved=("fold",)),
        "many_features": Shown(ManyFeatures, MANY),
        "singular": Shown(Singular, SINGULAR),
    },
    exercises=EXERCISES,
    cards=CARDS,
)

"""Figures of notebook 06: layer norm as a projection onto a sphere."""

import ipywidgets as widgets
import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba

from normlib import layer_norm
from normlib.exercises.hypersphere import MISTAKES, hint_for
from normlib.folding import fold_layer_norm
from normlib.geometry import (
    concentration,
    cosine_to_ones,
    normalized_length,
    projection_steps,
)
from normlib.jacobians import layer_norm_jacobian, rms_norm_jacobian, spectrum
from normlib.live import controls, space, style
from normlib.live.figure import LiveFigure, ReaderError, call_reader
from normlib.live.reader import reader_array
from normlib.live.sphere_scene import LEVEL, RADIUS, SphereScene
from normlib.residual_stream import compare, fold_blocks, random_blocks, run_stream

# Small enough to be exact to the eye, and 0 / 0 becomes 0.
TINY = 1e-12
PER_STEP = 10  # positions of the slider between two steps


def points_in_space(count=60, seed=3):
    """Return points that fill most, but not all, directions around the ones line.

    A gap between the directions shows when the cloud is flipped.

    Returns
    -------
    ndarray of shape (count, 3)
    """
    rng = np.random.default_rng(seed)
    angle = np.deg2rad(rng.uniform(-130, 95, count))
    radius = rng.uniform(0.55, 2.3, count)
    height = rng.normal(0.75, 0.45, count)
    flat = radius * np.array([np.cos(angle), np.sin(angle)])
    return np.column_stack([*flat, height]) @ LEVEL


def between(stations, step):
    """Return the points on their way through `stations`, `step` stations along."""
    k = min(int(step), len(stations) - 2)
    share = step - k
    return (1 - share) * stations[k] + share * stations[k + 1]


class TwoFeatures(LiveFigure):
    """Layer norm of two features: everything goes to one of two points."""

    height = 4.4

    def make_controls(self):
        """Return the controls: the two features and eps."""
        return {
            "first": controls.slider("x[0]", -4, 4, 3.0),
            "second": controls.slider("x[1]", -4, 4, 1.0),
            "eps": controls.log_slider("eps", -5, 0, 1e-5, 0.5),
        }

    def draw(self, fig):
        """Draw the ones direction, the line of mean 0 and the two points."""
        ax = fig.add_axes((0.08, 0.13, 0.56, 0.82))
        box = ax.get_window_extent()
        half = 4.4
        wide = half * box.width / box.height
        ax.set(xlim=(-wide, wide), ylim=(-half, half), xlabel="x[0]")
        ax.set_ylabel("x[1]")
        ax.plot([-4, 4], [-4, 4], ":", color=style.INK, lw=1.5)
        ax.text(4.1, 4.1, "(1, 1)", weight="bold", va="center")
        ax.plot([-4, 4], [4, -4], color=style.LAYER, lw=1.5)
        ax.text(4.1, -4.1, "mean 0", color=style.LAYER, va="center")
        angle = np.linspace(0, 2 * np.pi, 100)
        ring = np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)])
        ax.plot(*ring, color="#8a9bb0", lw=1)
        ax.plot([1, -1], [-1, 1], "o", ms=15, mfc="none", mew=2.5, color=style.LAYER)
        ax.text(1.45, -1.0, "(1, -1)", color=style.LAYER, va="center", weight="bold")
        ax.text(
            -1.45,
            1.0,
            "(-1, 1)",
            color=style.LAYER,
            va="center",
            ha="right",
            weight="bold",
        )
        self.grey = np.random.default_rng(1).uniform(-4, 4, (80, 2))
        ax.plot(*self.grey.T, ".", color=style.BEFORE, ms=5, alpha=0.6)
        (self.path,) = ax.plot([], [], color=style.AFTER, lw=1.5, alpha=0.6)
        (self.cloud,) = ax.plot([], [], ".", color=style.AFTER, ms=7, alpha=0.5)
        (self.input,) = ax.plot([], [], "s", color=style.BEFORE, ms=9, mec="white")
        (self.output,) = ax.plot([], [], "o", color=style.AFTER, ms=10, mec="white")
        self.lines = [
            fig.text(0.68, 0.74 - 0.11 * k, "", size=size, color=color)
            for k, (size, color) in enumerate(
                [
                    (12, "#606060"),
                    (12, "#606060"),
                    (12, "#606060"),
                    (14, style.AFTER),
                ]
            )
        ]
        return [self.path, self.cloud, self.input, self.output, *self.lines]

    def move(self, first, second, eps):
        """Normalize the point (first, second) and the grey ones."""
        x = np.array([first, second])
        steps = projection_steps(x, eps=eps)
        y = steps.scaled
        self.path.set_data(*np.array([x, steps.centred, y]).T)
        self.input.set_data([first], [second])
        self.output.set_data(*y[:, None])
        self.cloud.set_data(*projection_steps(self.grey, eps=eps).scaled.T)
        words = (
            f"x = ({first:.2f}, {second:.2f})",
            f"mean = {x.mean():z.2f}",
            f"x - mean = ({steps.centred[0]:z.2f}, {steps.centred[1]:z.2f})",
            f"y = ({y[0]:z.2f}, {y[1]:z.2f})",
        )
        for line, word in zip(self.lines, words, strict=True):
            line.set_text(word)
        length = np.linalg.norm(y)
        if first == second:
            what = "both features are equal, so nothing is left but the origin"
        else:
            larger = "x[0] > x[1]" if first > second else "x[0] < x[1]"
            what = f"all that survives is {larger}"
        return (
            f"({first:.2f}, {second:.2f}) becomes ({y[0]:z.2f}, {y[1]:z.2f}), at "
            f"distance {length:.2f} of at most 1.41: {what}."
        )


class _Scene(LiveFigure):
    """A figure with one sphere scene on the left and words on the right."""

    height = 4.8
    half_height = 2.95
    plays = 0  # number of steps that a play button runs through

    def step_slider(self, start):
        """Return the slider that moves the points from step to step."""
        return widgets.IntSlider(
            description="steps",
            min=0,
            max=PER_STEP * self.plays,
            value=start,
            readout=False,
            style={"description_width": "initial"},
        )

    def helpers(self):
        """Return the play button of the steps, linked in the page."""
        if not self.plays:
            return []
        slider = self.controls["step"]
        # It starts where the slider stands, since a link copies its value at once,
        # and repeats, since at the end there is nothing left to play.
        play = widgets.Play(
            value=slider.value, max=slider.max, interval=150, repeat=True
        )
        widgets.jslink((play, "value"), (slider, "value"))
        return [play]

    def turn_slider(self, start=40):
        """Return the slider that turns the view around the ones direction."""
        return controls.whole("turn", 0, 360, start, 5)

    def from_view(self, turn):
        """Return the end of a sentence: from where the scene is seen."""
        return f" Seen from {turn} degrees."

    def add_scene(self, fig, width=0.68, **options):
        """Draw the scene and make room for its words."""
        ax = fig.add_axes((0, 0, width, 1))
        return SphereScene(ax, self.half_height, **options)

    def mark(self, scene):
        """Return a ring for the one point that can be followed."""
        (ring,) = scene.ax.plot(
            [], [], "o", ms=13, mfc="none", mec=style.BATCH, mew=2.5, zorder=9
        )
        return ring


STEP_NAMES = (
    "x",
    "x - mean: on the plane",
    "over std: on the circle",
    "times gamma: an ellipse",
    "plus beta: off the plane",
)


class _Travel(_Scene):
    """Points on their way through the steps of layer norm."""

    followed = 11  # the point with the ring

    def draw(self, fig):
        """Draw the scene, the clouds and the list of steps."""
        self.scene = self.add_scene(fig)
        self.ghosts = self.scene.cloud(style.BEFORE, 22)
        self.lines = self.scene.trails(style.BEFORE)
        self.ellipse = PolyCollection([], linewidths=2.5)
        self.ellipse.set(
            facecolor=to_rgba(style.AFTER, 0.14), edgecolor=to_rgba(style.AFTER, 0.8)
        )
        self.scene.ax.add_collection(self.ellipse)
        self.cloud = self.scene.cloud(style.AFTER, 56)
        self.ring = self.mark(self.scene)
        names = STEP_NAMES[: self.plays + 1]
        self.list = [
            fig.text(0.695, 0.80 - 0.085 * k, "", va="center")
            for k in range(len(names))
        ]
        self.notes = [
            fig.text(0.695, 0.24 - 0.075 * k, "", va="center", color=color)
            for k, color in enumerate((style.BATCH, style.INK, style.INK))
        ]
        return [
            *self.scene.moving,
            self.ellipse,
            self.ghosts,
            self.lines,
            self.cloud,
            self.ring,
            *self.list,
            *self.notes,
        ]

    def show_travel(self, stations, step, turn):
        """Place the points `step` stations along and return them."""
        along = step / PER_STEP
        points = between(stations, along)
        self.scene.look_from(turn)
        self.ghosts.set_visible(along <= 2)
        self.scene.place(self.ghosts, stations[0], 0.6)
        self.scene.place(self.cloud, points)
        legs = int(np.ceil(along))
        first = 0 if along <= 2 else legs - 1  # later on, only the last leg
        self.scene.connect(self.lines, *stations[first:legs], points)
        self.ring.set_data(*self.scene.seen(points[self.followed])[:, None])
        for k, text in enumerate(self.list):
            at = k == round(along)
            text.set(
                text=f"{'●' if at else '○'} {STEP_NAMES[k]}",
                weight="bold" if at else "normal",
                color=style.AFTER if at else "#8a8a8a",
            )
        self._write_notes(points)
        return points

    def _write_notes(self, points):
        a, b, c = points[self.followed]
        means, lengths = points.mean(axis=-1), np.linalg.norm(points, axis=-1)
        words = (
            f"ring ({a:z.2f}, {b:z.2f}, {c:z.2f})",
            f"means {means.min():z.2f} to {means.max():z.2f}",
            f"lengths {lengths.min():.2f} to {lengths.max():.2f}",
        )
        for text, word in zip(self.notes, words, strict=True):
            text.set_text(word)


class Projection(_Travel):
    """The two steps of layer norm in space: onto the plane, onto the circle."""

    plays = 2

    def make_controls(self):
        """Return the controls: step, shift along ones, scale, turn."""
        return {
            "step": self.step_slider(PER_STEP * 2),
            "shift": controls.slider("add to all", -1, 1, 0.0),
            "scale": controls.slider("times", -1.2, 1.2, 1.0, 0.05),
            "turn": self.turn_slider(),
        }

    def move(self, step, shift, scale, turn):
        """Shift and scale the points, and let them travel."""
        x = points_in_space()
        steps = projection_steps(scale * x + shift, eps=TINY)
        points = self.show_travel(steps[:3], step, turn)
        self.ellipse.set_verts([])
        head = f"Input times {scale:.2f}, plus {shift:.2f}"
        if step < 2 * PER_STEP:
            means = points.mean(axis=-1)
            where = {0: "as given", PER_STEP: "on the plane"}.get(step, "on the way")
            return (
                f"{head}: {where}, means from {means.min():z.2f} to "
                f"{means.max():z.2f}; the plane is where they are 0."
                + self.from_view(turn)
            )
        return f"{head}: {self._result(x, scale, points)}" + self.from_view(turn)

    def _result(self, x, scale, points):
        if scale == 0:
            return (
                "all features are equal, the variance is 0, and every result is "
                "the origin."
            )
        there = projection_steps(x, eps=TINY).scaled
        moved = np.linalg.norm(points - there, axis=-1)
        flipped = np.isclose(points, -there).all(axis=-1).sum()
        length = np.linalg.norm(points, axis=-1).mean()
        tail = f"; {flipped} of {len(x)} flipped to the opposite side" * (scale < 0)
        return (
            f"every result has mean 0 and length {length:.2f}. Against the input as "
            f"it was, results moved by {moved.max():.2f} at most{tail}."
        )


class Affine(_Travel):
    """All five steps, with gamma and beta: a tilted ellipse, then off the plane."""

    plays = 4
    half_height = 3.4

    def make_controls(self):
        """Return the controls: step, one gamma, one beta, turn."""
        return {
            "step": self.step_slider(PER_STEP * 4),
            "gamma": controls.slider("gamma[0]", -2, 2, 2.0),
            "beta": controls.slider("beta[0]", -1.5, 1.5, 1.0),
            "turn": self.turn_slider(60),
        }

    def move(self, step, gamma, beta, turn):
        """Let the points travel to the output for gamma and beta."""
        gammas, betas = np.array([gamma, 1.0, 1.0]), np.array([beta, 0.0, 0.0])
        steps = projection_steps(points_in_space(), gammas, betas, eps=TINY)
        points = self.show_travel(steps, step, turn)
        ring = space.circle(space.ONES, RADIUS)
        stretch = np.clip(step / PER_STEP - 2, 0, 1) * (gammas - 1) + 1
        shift = np.clip(step / PER_STEP - 3, 0, 1) * betas
        self.ellipse.set_verts(
            [self.scene.seen(ring * stretch + shift)] if step > 2 * PER_STEP else []
        )
        axes = RADIUS * spectrum(stretch[:, None] * LEVEL[:2].T).singular_values
        means = points.mean(axis=-1)
        if step <= 2 * PER_STEP:
            shape = "the circle has radius 1.73"
        else:
            shape = f"an ellipse with half axes {axes[0]:.2f}, {axes[1]:.2f}"
        return (
            f"gamma = ({gamma:.1f}, 1, 1), beta = ({beta:.1f}, 0, 0), "
            f"{STEP_NAMES[round(step / PER_STEP)].split(':')[0]}: {shape}; "
            f"means run from {means.min():z.2f} to {means.max():z.2f}."
            + self.from_view(turn)
        )


class Epsilon(_Scene):
    """How eps and the divisor of the variance set the length of the result."""

    half_height = 2.3

    def make_controls(self):
        """Return the controls: eps, scale, divisor, turn."""
        return {
            "eps": controls.log_slider("eps", -6, 0, 1e-5, 0.25),
            "scale": controls.log_slider("times", -3, 0, 10**-2.2, 0.1),
            "divisor": controls.choice("variance with", ["1/n", "1/(n-1)"], "1/n"),
            "turn": self.turn_slider(),
        }

    def draw(self, fig):
        """Draw the scene, and the length against the standard deviation."""
        self.scene = self.add_scene(fig, 0.56, plane=2.2, pole=2.1, axes=1.7)
        self.goal = self.scene.trails(style.BEFORE)
        self.cloud = self.scene.cloud(style.AFTER)
        ax = fig.add_axes((0.645, 0.15, 0.335, 0.70))
        ax.set(xscale="log", xlim=(2e-4, 3), ylim=(0, 2.15))
        ax.set_xlabel("standard deviation of x")
        ax.set_yticks([0, 0.5, 1, 1.5])
        ax.text(0, 1.04, "length of the result", transform=ax.transAxes, weight="bold")
        for value, name in ((3, r"$\sqrt{3}$"), (2, r"$\sqrt{2}$")):
            ax.axhline(np.sqrt(value), color=style.LAYER, lw=1.5, ls="--")
            ax.text(2.6e-4, np.sqrt(value) + 0.05, name, color=style.LAYER)
        (self.curve,) = ax.plot([], [], color=style.AFTER, lw=1.5)
        (self.dots,) = ax.plot([], [], "o", color=style.AFTER, ms=5, mec="white")
        (self.mark,) = ax.plot([], [], color=style.WARN, ls=":", lw=1.5)
        self.mark_name = ax.text(1, 2.0, "", color=style.WARN)
        return [
            *self.scene.moving,
            self.goal,
            self.cloud,
            self.mark,
            self.mark_name,
            self.curve,
            self.dots,
        ]

    def move(self, eps, scale, divisor, turn):
        """Normalize the scaled points."""
        ddof = int(divisor == "1/(n-1)")
        x = scale * points_in_space()
        y = projection_steps(x, eps=eps, ddof=ddof).scaled
        on_circle = projection_steps(x, eps=0.0, ddof=0).scaled
        self.scene.look_from(turn)
        self.scene.place(self.cloud, y)
        self.scene.connect(self.goal, on_circle, y)
        lengths = np.linalg.norm(y, axis=-1)
        std = np.geomspace(2e-4, 3, 80)
        # 1/(n - 1) makes the variance n/(n - 1) times as large.
        self.curve.set_data(
            std, normalized_length(std**2 * 3 / (3 - ddof), 3 - ddof, eps=eps)
        )
        self.dots.set_data(x.std(axis=-1), lengths)
        self.mark.set_data([eps**0.5] * 2, [0, 2.15])
        late = eps > 0.01
        self.mark_name.set(
            text="std = √eps " if late else " std = √eps",
            x=eps**0.5,
            horizontalalignment="right" if late else "left",
        )
        inside = int((lengths < 0.99 * np.sqrt(3)).sum())
        return (
            f"{divisor}, eps = {eps:.1e}: lengths from {lengths.min():.2f} to "
            f"{lengths.max():.2f} for standard deviations from "
            f"{x.std(axis=-1).min():.1e} to {x.std(axis=-1).max():.1e}; {inside} of "
            f"{len(x)} points are more than 1% inside the circle of radius 1.73."
            + self.from_view(turn)
        )


class YourSphere(_Scene):
    """Points under the reader's own layer norm, over the circle where they belong.

    Parameters
    ----------
    function : callable, optional
        The reader's own layer norm, from an array (60, 3) to an array (60, 3).
        It joins the choices as "yours".
    """

    half_height = 3.4
    sizes = (0.001, 0.003, 0.01, 0.1, 0.5, 1.0, 2.0)

    def __init__(self, function=None):
        self.function = function
        self.functions = {"normlib": lambda x: layer_norm(x)[0]}
        self.functions |= {name: wrong for name, (wrong, _) in MISTAKES.items()}
        super().__init__()

    def make_controls(self):
        """Return the controls: whose function, shift, scale, turn."""
        names = [*self.functions] + ["yours"] * (self.function is not None)
        return {
            "norm": controls.choice(
                "function", names, "yours" if self.function else "no mean"
            ),
            "shift": controls.slider("add to all", -1, 1, 0.0),
            "scale": controls.steps("times", list(self.sizes), 1.0),
            "turn": self.turn_slider(),
        }

    def draw(self, fig):
        """Draw the scene, where the points belong, and where they are."""
        self.scene = self.add_scene(fig)
        self.ghosts = self.scene.cloud(style.BEFORE, 18)
        self.goal = self.scene.cloud("white", 60, edge=style.LAYER)
        self.goal.set_linewidth(1.4)
        self.lines = self.scene.trails(style.WARN, 1.5)
        self.cloud = self.scene.cloud(style.AFTER, 40)
        self.title = fig.text(0.695, 0.80, "", weight="bold", size=12)
        key = (
            ("where they belong", "o", "white", style.LAYER),
            ("where they are", "o", style.AFTER, "white"),
            ("input", ".", style.BEFORE, "none"),
        )
        for k, (words, marker, face, edge) in enumerate(key):
            y = 0.70 - 0.07 * k
            fig.text(0.725, y, words, va="center")
            self.scene.ax.plot(
                [0.703],
                [y],
                marker,
                ms=8,
                mfc=face,
                mec=edge,
                mew=1.5,
                transform=fig.transFigure,
                clip_on=False,
            )
        self.notes = [fig.text(0.695, 0.24 - 0.075 * k, "") for k in range(3)]
        return [
            *self.scene.moving,
            self.ghosts,
            self.goal,
            self.lines,
            self.cloud,
            self.title,
            *self.notes,
        ]

    def move(self, norm, shift, scale, turn):
        """Run the chosen function on the shifted and scaled points."""
        x = scale * (points_in_space() + shift)
        right = layer_norm(x)[0]
        self.scene.look_from(turn)
        self.scene.place(self.ghosts, x, 0.6)
        self.scene.place(self.goal, right)
        y = self._run(norm, x)
        self.scene.place(self.cloud, y)
        self.scene.connect(self.lines, right, y)
        off, lengths = np.abs(y.mean(axis=-1)), np.linalg.norm(y, axis=-1)
        away = np.linalg.norm(y - right, axis=-1)
        wrong = int((away > 1e-6).sum())
        self.title.set_text("your function" if norm == "yours" else norm)
        words = (
            f"largest |mean| {off.max():.2g}" if off.max() > 1e-6 else "all means 0",
            f"lengths {lengths.min():.3g} to {lengths.max():.3g}",
            f"off target {wrong} of {len(x)}",
        )
        for text, word in zip(self.notes, words, strict=True):
            text.set_text(word)
        hint = hint_for(x, y) if wrong else "all points are where they belong."
        whose = "Your function" if norm == "yours" else f"Function '{norm}'"
        hint = hint or "no mistake known here; compare it with the formula."
        return (
            f"{whose}, input plus {shift:.2f}, times {scale:g}: {wrong} of {len(x)} "
            f"points are off, by up to {away.max():.2g}; {hint}" + self.from_view(turn)
        )

    def _run(self, norm, x):
        if norm != "yours":
            return self.functions[norm](x)
        return reader_array(self.function, x, shape=x.shape)


class BesideRMS(_Scene):
    """Layer norm and RMS norm of one cloud whose mean the reader moves."""

    half_height = 2.85

    def make_controls(self):
        """Return the controls: mean and standard deviation of the features, turn."""
        return {
            "mean": controls.slider("mean", -6, 6, 1.0),
            "std": controls.slider("std", 0.1, 2, 1.0),
            "turn": self.turn_slider(),
        }

    def draw(self, fig):
        """Draw two scenes: one with the plane, one without."""
        left = fig.add_axes((0, 0, 0.5, 0.92))
        right = fig.add_axes((0.5, 0, 0.5, 0.92))
        self.layer = SphereScene(left, self.half_height, plane=2.3)
        self.rms = SphereScene(right, self.half_height, plane=0, circle=False)
        moving = []
        self.clouds = []
        for ax, scene, norm in ((left, self.layer, "layer"), (right, self.rms, "rms")):
            name = {"layer": "layer norm", "rms": "RMS norm"}[norm]
            ax.text(
                0.04,
                1.02,
                name,
                transform=ax.transAxes,
                color=style.NORM_COLOR[norm],
                weight="bold",
                size=13,
            )
            cloud = scene.cloud(style.AFTER if norm == "layer" else style.RMS, 50)
            self.clouds.append(cloud)
            moving += [*scene.moving, cloud]
        # Every direction in the plane once, each point with variance 1.
        self.base = space.circle(space.ONES, RADIUS, count=49)[1:]
        self.notes = [
            ax.text(0.04, 0.955, "", transform=ax.transAxes, va="center")
            for ax in (left, right)
        ]
        return [*moving, *self.notes]

    def move(self, mean, std, turn):
        """Give every point that mean and standard deviation, and normalize."""
        x = mean + std * self.base
        angles = []
        for scene, cloud, norm in zip(
            (self.layer, self.rms), self.clouds, ("layer", "rms"), strict=True
        ):
            y = projection_steps(x, norm=norm, eps=TINY).scaled
            scene.look_from(turn)
            scene.place(cloud, y)
            angles.append(_widest_angle(y))
        for note, angle in zip(self.notes, angles, strict=True):
            note.set_text(f"widest angle {angle:.0f}°")
        return (
            f"Mean {mean:.1f}, std {std:.1f}: under RMS norm the cosine to (1, 1, 1) "
            f"is {cosine_to_ones(x).mean():z.3f} and no two points are more than "
            f"{angles[1]:.0f} degrees apart; under layer norm the cosine is 0 and the "
            f"widest angle {angles[0]:.0f} degrees." + self.from_view(turn)
        )


class ManyFeatures(LiveFigure):
    """A cut through n dimensions along the ones direction: where points are."""

    height = 4.6
    sizes = (2, 3, 5, 10, 30, 100, 300, 1000)

    def make_controls(self):
        """Return the controls: n, mean of the features, norm."""
        return {
            "n": controls.steps("n", list(self.sizes), 3),
            "mean": controls.slider("mean / std", -1.5, 1.5, 0.0),
            "norm": controls.choice("norm", ["none", "layer", "rms"], "none"),
        }

    def draw(self, fig):
        """Draw the half circle of radius 1 and the places of the norms."""
        ax = fig.add_axes((0.07, 0.13, 0.64, 0.80))
        box = ax.get_window_extent()
        high = 2.3
        wide = high * box.width / box.height / 2
        ax.set(xlim=(-wide, wide), ylim=(-0.08, high - 0.08))
        ax.set_xlabel("along the ones direction, over √n")
        ax.set_title("length in the plane of mean 0, over √n")
        angle = np.linspace(0, np.pi, 100)
        ax.plot(np.cos(angle), np.sin(angle), color=style.RMS, lw=2.5)
        ax.plot([0, 0], [0, high], color=style.LAYER, lw=1.2, ls="--")
        for y, words, color, mark in (
            (0.27, "the sphere", style.RMS, "_"),
            (0.20, "sphere and plane", style.LAYER, "D"),
        ):
            look = dict(ms=10, mfc="none", mec=color, mew=2.5, clip_on=False)
            ax.plot([0.752], [y], mark, transform=fig.transFigure, **look)
            fig.text(0.78, y, words, color=color, va="center")
        ax.plot([0], [1], "D", ms=12, mfc="none", mec=style.LAYER, mew=2.5)
        ax.text(0.08, 2.04, "mean 0", color=style.LAYER)
        self.trails = LineCollection([], linewidths=0.7)
        self.trails.set_color(to_rgba(style.BEFORE, 0.35))
        ax.add_collection(self.trails)
        (self.before,) = ax.plot([], [], "o", ms=4, color=style.BEFORE, alpha=0.55)
        (self.after,) = ax.plot([], [], "o", ms=5, color=style.AFTER, mec="white")
        self.after.set_markeredgewidth(0.4)
        self.words = [
            fig.text(0.74, 0.80 - 0.09 * k, "", size=size, weight=weight)
            for k, (size, weight) in enumerate(
                [(15, "bold"), (11, "normal"), (11, "normal"), (11, "normal")]
            )
        ]
        return [self.trails, self.before, self.after, *self.words]

    def move(self, n, mean, norm):
        """Draw 300 Gaussian points in n dimensions and normalize them."""
        drawn = concentration([n], n_points=300, mean=mean, rng=0)
        length, cosine = drawn.length[0], drawn.cosine[0]
        before = np.column_stack([length * cosine, length * np.sqrt(1 - cosine**2)])
        after = {
            "none": before,
            "layer": np.tile([0.0, 1.0], (300, 1)),
            "rms": before / length[:, None],
        }[norm]
        self.before.set_data(*before.T)
        self.after.set_data(*(after.T if norm != "none" else ([], [])))
        self.trails.set_segments(
            np.stack([before, after], axis=1) if norm != "none" else []
        )
        # The part in the plane keeps its direction, so the cut shows the distance.
        moved = np.linalg.norm(after - before, axis=1)
        words = (
            f"n = {n}",
            f"length {length.mean():.3f} ± {length.std():.3f}",
            f"along ones {before[:, 0].mean():z.3f} ± {before[:, 0].std():.3f}",
            f"moved by {moved.mean():.3f}" if norm != "none" else "",
        )
        for text, word in zip(self.words, words, strict=True):
            text.set_text(word)
        if norm == "none":
            tail = "The sphere has length 1 here."
        else:
            tail = f"{norm} norm moves a point by {moved.mean():.3f} on average."
            tail = tail[0].upper() + tail[1:] if norm == "layer" else f"RMS{tail[3:]}"
        return (
            f"300 Gaussian points with {n} features, over √n: length "
            f"{length.mean():.3f} ± {length.std():.3f}, along the ones direction "
            f"{before[:, 0].mean():z.3f} ± {before[:, 0].std():.3f}. {tail}"
        )


class Singular(LiveFigure):
    """The singular values of a norm's Jacobian: two directions lost, the rest alike."""

    height = 4.0

    def make_controls(self):
        """Return the controls: norm, n, sigma, eps."""
        return {
            "norm": controls.choice("norm", ["layer", "rms"], "layer"),
            "n": controls.whole("n", 3, 12, 8),
            "sigma": controls.slider("std of x", 0.5, 2, 1.0),
            "eps": controls.steps("eps", [0.0, 1e-5, 0.01, 0.1, 1.0], 0.0),
        }

    def draw(self, fig):
        """Draw the empty bars."""
        ax = fig.add_axes((0.08, 0.17, 0.89, 0.70))
        ax.set(xlim=(-0.7, 11.7), ylim=(0, 2.3), xticks=[])
        ax.text(
            0,
            1.05,
            "singular values of the Jacobian dy/dx, largest first",
            transform=ax.transAxes,
            weight="bold",
        )
        self.bars = PolyCollection([], linewidths=0)
        ax.add_collection(self.bars)
        (self.level,) = ax.plot([], [], "--", color=style.INK, lw=1.5)
        self.level_name = ax.text(11.65, 0, "", ha="right", va="bottom")
        under = dict(ha="center", va="top", clip_on=False)
        self.names = [ax.text(k, -0.08, "", **under) for k in range(12)]
        self.values_shown = [
            ax.text(k, 0, "", ha="center", va="bottom", size=9) for k in range(12)
        ]
        return [
            self.bars,
            self.level,
            self.level_name,
            *self.names,
            *self.values_shown,
        ]

    def move(self, norm, n, sigma, eps):
        """Compute the Jacobian at one point with that standard deviation."""
        x = np.random.default_rng(1).standard_normal(n)
        x = 0.3 + sigma * (x - x.mean()) / x.std()
        jacobian = {"layer": layer_norm_jacobian, "rms": rms_norm_jacobian}[norm]
        found = spectrum(jacobian(x, eps=eps))
        values = np.where(found.singular_values > 1e-9, found.singular_values, 0.0)
        size = np.sqrt((x.var() if norm == "layer" else np.mean(x**2)) + eps)
        self.bars.set_verts([_bar(k, v) for k, v in enumerate(values)])
        self.bars.set_facecolor(style.NORM_COLOR[norm])
        self.level.set_data([-0.5, 11.7], [1 / size] * 2)
        spread = "std" if norm == "layer" else "rms"
        root = f"1/{spread}" if eps == 0 else f"1/√({spread}² + eps)"
        self.level_name.set(text=f"{root} = {1 / size:.2f}", y=1 / size + 0.17)
        lost = {"layer": {n - 2: "x_hat", n - 1: "ones"}, "rms": {n - 1: "x_hat"}}
        for k in range(12):
            shown = k < n
            value = values[k] if shown else 0.0
            self.names[k].set_text(lost[norm].get(k, "") if shown else "")
            self.values_shown[k].set(
                text=f"{value:z.2f}" if shown else "", y=value + 0.03
            )
        name = {"layer": "Layer", "rms": "RMS"}[norm]
        alike = int(np.isclose(values, 1 / size, rtol=1e-9).sum())
        are = "singular value is" if alike == 1 else "singular values are"
        return (
            f"{name} norm, n = {n}, eps = {eps:g}: rank {found.rank}; {alike} "
            f"{are} {root} = {1 / size:.2f}, and the last two are "
            f"{values[-2]:.3g} and {values[-1]:.3g}."
        )


class Folding(LiveFigure):
    """A residual network before and after gamma and beta were folded away.

    Parameters
    ----------
    function : callable, optional
        The reader's own ``fold(weight, bias, gamma, beta)``, which returns the
        new weight and bias. It joins the choices as "yours".
    """

    height = 4.4

    def __init__(self, function=None):
        self.function = function
        self.folds = {
            "gamma and beta": fold_layer_norm,
            "gamma only": lambda w, b, gamma, beta: fold_layer_norm(w, b, gamma),
            "nothing": lambda w, b, gamma, beta: (w, b),
        }
        super().__init__()

    def make_controls(self):
        """Return the controls: position of the norm, what is folded, spread."""
        names = [*self.folds] + ["yours"] * (self.function is not None)
        return {
            "position": controls.choice("norm", ["pre-LN", "post-LN"], "pre-LN"),
            "folded": controls.choice("fold", names, "gamma and beta"),
            "spread": controls.slider("spread of gamma, beta", 0, 1, 0.5, 0.05),
        }

    def draw(self, fig):
        """Draw the diagonal on which equal outputs lie, and both wirings."""
        ax = fig.add_axes((0.09, 0.14, 0.40, 0.74))
        ax.set(xlim=(-5, 5), ylim=(-5, 5), xlabel="output before")
        ax.set_title("output after folding")
        ax.plot([-5, 5], [-5, 5], color="#bbbbbb", lw=1.5, zorder=1)
        ax.text(4.8, 3.6, "equal", color="#777777", ha="right", va="top")
        (self.dots,) = ax.plot([], [], "o", ms=5, mec="white", color=style.AFTER)
        self.dots.set_markeredgewidth(0.4)
        self.verdict = fig.text(0.53, 0.83, "", size=13, weight="bold")
        self.wires = fig.add_axes((0.52, 0.05, 0.47, 0.72))
        self.wires.set(xlim=(0, 10), ylim=(0, 10))
        self.wires.axis("off")
        self.skip = LineCollection([], colors=style.BATCH, linewidths=2.5)
        self.main = LineCollection([], colors="#666666", linewidths=1.5)
        self.boxes = PolyCollection([], edgecolors="#666666", facecolors="#f2f4f7")
        for part in (self.skip, self.main, self.boxes):
            self.wires.add_collection(part)
        self.in_boxes = [
            self.wires.text(0, 0, "", ha="center", va="center") for _ in range(7)
        ]
        for y, word in ((6.6, "before"), (1.6, "after")):
            self.wires.text(0.0, y + 2.7, word, weight="bold")
        self.skip_names = [
            self.wires.text(8.6, y, "", ha="right", va="bottom", color=style.BATCH)
            for y in (8.75, 3.75)
        ]
        return [
            self.dots,
            self.verdict,
            self.skip,
            self.main,
            self.boxes,
            *self.in_boxes,
            *self.skip_names,
        ]

    def move(self, position, folded, spread):
        """Run the stream before and after folding."""
        where = position.removesuffix("-LN")
        rng = np.random.default_rng(4)
        blocks = random_blocks(3, 16, spread=spread, rng=rng)
        x = rng.standard_normal((8, 16))
        result = compare(
            run_stream(x, blocks, position=where),
            run_stream(
                x, fold_blocks(blocks, where, fold=self._fold(folded)), position=where
            ),
        )
        error = np.abs(result.after - result.before).max()
        equal = error <= 1e-12
        self.dots.set_data(result.before.ravel(), result.after.ravel())
        self.dots.set_color(style.AFTER if equal else style.WARN)
        self.dots.set_marker("o" if equal else "X")
        self.verdict.set(
            text="equal to 1e-12" if equal else f"off by up to {error:.2g}",
            color=style.AFTER if equal else style.WARN,
        )
        self._draw_wires(where)
        why = "no gamma, beta to lose" if spread == 0 else f"folded: {folded}"
        return f"{position}, {why}, spread {spread:.2f}: the outputs of 3 blocks " + (
            "agree to 1e-12."
            if equal
            else f"differ by up to {error:.2g}, {result.relative_error:.0%} of "
            "the largest."
        )

    def _fold(self, folded):
        if folded != "yours":
            return self.folds[folded]

        def fold(weight, bias, gamma, beta):
            result = call_reader(self.function, weight, bias, gamma, beta)
            try:
                new_weight, new_bias = (np.asarray(part, float) for part in result)
            except (TypeError, ValueError):
                raise ReaderError(
                    "your function has to return two arrays: weight, bias."
                ) from None
            if new_weight.shape != weight.shape or new_bias.shape != bias.shape:
                raise ReaderError(
                    f"your function returned shapes {new_weight.shape} and "
                    f"{new_bias.shape}, expected {weight.shape} and {bias.shape}."
                )
            if not (np.isfinite(new_weight).all() and np.isfinite(new_bias).all()):
                raise ReaderError("your function returned NaN or infinity.")
            return new_weight, new_bias

        return fold

    def _draw_wires(self, where):
        """Draw who reads the output of the norm, before and after folding."""
        rows = (
            (6.6, (("LN", 1.9), ("γ, β", 4.1), ("W, b", 6.5), ("+", 8.8))),
            (1.6, (("LN", 1.9), ("W', b'", 6.5), ("+", 8.8))),
        )
        branch = 0.5 if where == "pre" else 5.3
        self.skip.set_segments(
            [
                [(branch, y), (branch, y + 2), (8.8, y + 2), (8.8, y + 0.8)]
                for y, _ in rows
            ]
        )
        self.main.set_segments([[(0, y), (10, y)] for y, _ in rows])
        boxes = [(word, x, y) for y, row in rows for word, x in row]
        self.boxes.set_verts([_box(x, y) for _, x, y in boxes])
        for text, (word, x, y) in zip(self.in_boxes, boxes, strict=True):
            text.set(text=word, position=(x, y))
        before = "skip" if where == "pre" else "skip, with γ, β"
        after = "skip, the same" if where == "pre" else "skip, without them"
        for text, words in zip(self.skip_names, (before, after), strict=True):
            text.set_text(words)


def _widest_angle(y):
    unit = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return float(np.degrees(np.arccos(np.clip((unit @ unit.T).min(), -1, 1))))


def _bar(k, height):
    return [(k - 0.36, 0), (k + 0.36, 0), (k + 0.36, height), (k - 0.36, height)]


def _box(x, y):
    w, h = 0.8, 0.8
    return [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]


FIGURES = {
    "two_features": TwoFeatures,
    "projection": Projection,
    "your_sphere": YourSphere,
    "epsilon": Epsilon,
    "affine": Affine,
    "beside_rms": BesideRMS,
    "many_features": ManyFeatures,
    "singular": Singular,
    "folding": Folding,
}

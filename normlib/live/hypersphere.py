"""Figures of notebook 06: layer norm as a projection onto a sphere."""

import ipywidgets as widgets
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba

from normlib import layer_norm, rms_norm
from normlib.live import controls, space, style
from normlib.live.figure import LiveFigure
from normlib.live.folding_network import Folding
from normlib.live.many_features import ManyFeatures, Singular
from normlib.live.reader import reader_array
from normlib.live.sphere_scene import LEVEL, RADIUS, UP, SphereScene
from normlib.live.touch import Touch, turn
from normlib.sphere.folding import centre_writing_weights
from normlib.sphere.geometry import (
    cosine_to_ones,
    normalized_length,
    projection_steps,
)
from normlib.sphere.jacobians import spectrum
from normlib.sphere.wrong_norms import WRONG_NORMS, name_mistake

# Small enough to be exact to the eye, and 0 / 0 becomes 0.
TINY = 1e-12
PER_STEP = 10  # positions of the slider between two steps
REACH = 0.45  # from a mark that a pointer grabs, in the unit of x


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
        label = dict(color=style.LAYER, weight="bold", va="center", bbox=style.CLEAR)
        ax.text(1.45, -1.0, "(1, -1)", **label)
        ax.text(-1.45, 1.0, "(-1, 1)", ha="right", **label)
        self.ax = ax
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

    def touches(self):
        """Let the input be dragged."""

        def drag(x, y, start):
            return {"first": x, "second": y}

        return [Touch(self.ax, drag, "Press or drag: the square, x, goes there.")]

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
            if abs(np.linalg.norm(steps.centred) - length) < 0.005:
                # So the figure opens, and does not answer the question before it.
                what = "it was as far without its mean, and is divided by 1"
            if length < 1.40:
                what = (
                    f"{larger} survives, and part of the difference, since eps is not "
                    "small against the variance"
                )
        return (
            f"({first:.2f}, {second:.2f}) becomes ({y[0]:z.2f}, {y[1]:z.2f}), at "
            f"distance {length:.2f} of at most 1.41: {what}."
        )


class _Scene(LiveFigure):
    """A figure with one sphere scene on the left and words on the right."""

    height = 4.6  # with its question it fills a screen of 900 pixels
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

    def touches(self):
        """Let the scene be turned."""
        return [turn(self.scene.ax, "turn", full=True)]

    def from_view(self, turn):
        """Return the end of a sentence: from where the scene is seen."""
        return f" Seen from {turn} degrees."

    def add_scene(self, fig, width=0.68, **options):
        """Draw the scene and make room for its words."""
        ax = fig.add_axes((0, 0, width, 1))
        return SphereScene(ax, self.half_height, **options)

    def add_key(self, fig, rows, left, down):
        """Name marks: rows of words, marker, face and edge; lefts; top and step."""
        for k, (words, marker, face, edge) in enumerate(rows):
            y = down[0] - down[1] * k
            fig.text(left[1], y, words, va="center")
            look = dict(ms=8, mfc=face, mec=edge, mew=1.5)
            at = dict(transform=fig.transFigure, clip_on=False)
            self.scene.ax.plot([left[0]], [y], marker, **look, **at)

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
    "times gamma: stretched",
    "plus beta: moved",
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
    """The two steps of layer norm in space: onto the plane, onto the circle.

    One point is marked and can be moved: a square where its input is, a ring where
    it has come to. It keeps its distance from the ones line, so a mean and an angle
    around the line say where its input is.
    """

    height = 4.1  # a row of controls more than the other scenes have
    plays = 2

    def make_controls(self):
        """Return the controls: step, shift, scale, the marked point, turn."""
        return {
            "step": self.step_slider(PER_STEP * 2),
            "shift": controls.slider("add to all", -1, 1, 0.0),
            "scale": controls.slider("times", -1.2, 1.2, 1.0, 0.05),
            "mean": controls.slider("square: mean", -1, 1.4, 0.9, 0.05),
            "angle": controls.whole("square: angle", 0, 360, 346, 2),
            "turn": self.turn_slider(),
        }

    def draw(self, fig):
        """Draw the scene, and the way of the marked point."""
        moving = super().draw(fig)
        ax, look = self.scene.ax, dict(color=style.BATCH, zorder=8.5)
        (self.way,) = ax.plot([], [], lw=1.8, **look)
        (self.square,) = ax.plot(
            [], [], "s", ms=9, mfc=style.BEFORE, mec=style.BATCH, mew=2, zorder=9
        )
        return [*moving, self.way, self.square]

    def inputs(self, mean, angle):
        """Return the points as given, the marked one at a mean and an angle."""
        x = points_in_space()
        around = np.deg2rad(angle)
        flat = np.array([np.cos(around), np.sin(around)]) @ LEVEL[:2]
        x[self.followed] = mean + RADIUS * x[self.followed].std() * flat
        return x

    def travel(self, step, shift, scale, mean, angle, **rest):
        """Return the points at each station, and `step` stations along."""
        x = scale * self.inputs(mean, angle) + shift
        stations = projection_steps(x, eps=TINY)[:3]
        return stations, between(stations, step / PER_STEP)

    def touches(self):
        """Let the square and the ring be dragged, and the scene be turned."""
        ax, hint = self.scene.ax, "Drag the square, x, or the ring, its result."
        return [
            Touch(ax, self._drag, hint),
            turn(ax, "turn", full=True, hint="Drag elsewhere to turn the view."),
        ]

    def _drag(self, x, y, start):
        """Move the marked point so that what was grabbed stays at the pointer.

        The square slides over a cylinder around the ones line, on the side where it
        was, near or far. The ring stays at its height.
        """
        stations, points = self.travel(**start.values)
        ends = np.array([stations[0][self.followed], points[self.followed]])
        off = self.scene.seen(ends) - (start.x, start.y)
        grabbed = np.hypot(*off.T).argmin()
        scale, shift = start.values["scale"], start.values["shift"]
        if np.hypot(*off[grabbed]) > REACH or scale == 0:
            return None
        x, y = off[grabbed] + (x, y)
        right, up, towards = self.scene.turn
        rise, lean = up @ UP, towards @ UP
        front = (towards - lean * UP) / rise  # in the plane, towards the viewer
        point = ends[grabbed]
        if grabbed == 0:
            radius = RADIUS * point.std()
            x = np.clip(x, -radius, radius)
            depth = np.copysign(np.sqrt(radius**2 - x**2), point @ front)
            mean = ((y + lean * depth) / rise / RADIUS - shift) / scale
        else:
            depth = (rise * (point @ UP) - y) / lean
            mean = start.values["mean"]
        flat = LEVEL[:2] @ (x * right + depth * front) / scale
        angle = np.degrees(np.arctan2(flat[1], flat[0])) % 360
        return {"mean": mean, "angle": angle}

    def move(self, step, shift, scale, mean, angle, turn):
        """Shift and scale the points, and let them travel."""
        x = self.inputs(mean, angle)
        stations, _ = self.travel(step, shift, scale, mean, angle)
        points = self.show_travel(stations, step, turn)
        self.ellipse.set_verts([])
        legs = int(np.ceil(step / PER_STEP))
        way = [s[self.followed] for s in (*stations[:legs], points)]
        self.way.set_data(*self.scene.seen(way).T)
        self.square.set_data(*self.scene.seen(stations[0][self.followed])[:, None])
        if scale == 0 and step == 2 * PER_STEP:
            self.list[2].set_text("● over std: at the origin")
        head = f"Input times {scale:.2f}, plus {shift:.2f}"
        a, b, c = points[self.followed]
        given = stations[0][self.followed].mean()
        tail = (
            f" The square has mean {given:z.2f}, the ring is at "
            f"({a:z.2f}, {b:z.2f}, {c:z.2f})." + self.from_view(turn)
        )
        if step < 2 * PER_STEP:
            means = points.mean(axis=-1)
            where = {0: "as given", PER_STEP: "on the plane"}.get(step, "on the way")
            return (
                f"{head}: {where}, means from {means.min():z.2f} to "
                f"{means.max():z.2f}; the plane is where they are 0." + tail
            )
        return f"{head}: {self._result(x, scale, points)}" + tail

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
        if step < 2 * PER_STEP:
            shape = "not yet on the circle"
        elif step == 2 * PER_STEP:
            shape = "a circle of radius 1.73"
        else:
            shape = f"an ellipse with half axes {axes[0]:.2f}, {axes[1]:.2f}"
            if np.allclose(axes, RADIUS):
                shape = "a circle of radius 1.73"
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
            "eps": controls.log_slider("eps", -6, 0, 1e-5, 0.5),
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
            f"{divisor}, eps = {eps:.2g}: lengths from {lengths.min():.2f} to "
            f"{lengths.max():.2f} for standard deviations from "
            f"{x.std(axis=-1).min():.2g} to {x.std(axis=-1).max():.2g}; {inside} of "
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
        self.functions |= {name: wrong for name, (wrong, _) in WRONG_NORMS.items()}
        super().__init__()

    def make_controls(self):
        """Return the controls: whose function, shift, scale, turn."""
        names = [*self.functions] + ["yours"] * (self.function is not None)
        return {
            "norm": controls.choice(
                "function", names, "yours" if self.function else "no mean"
            ),
            "shift": controls.slider("add to all", -0.5, 0.5, 0.0),
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
        (self.beyond,) = self.scene.ax.plot([], [], "^", color=style.WARN, ms=9)
        self.beyond.set_clip_on(False)
        self.title = fig.text(0.695, 0.80, "", weight="bold", size=12)
        key = (
            ("where they belong", "o", "white", style.LAYER),
            ("where they are", "o", style.AFTER, "white"),
            ("input", ".", style.BEFORE, "none"),
        )
        self.add_key(fig, key, (0.703, 0.725), (0.70, 0.07))
        self.notes = [fig.text(0.695, 0.31 - 0.075 * k, "") for k in range(4)]
        self.notes[3].set_color(style.WARN)
        return [
            *self.scene.moving,
            self.ghosts,
            self.goal,
            self.lines,
            self.cloud,
            self.beyond,
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
            self._mark_beyond(y),
        )
        for text, word in zip(self.notes, words, strict=True):
            text.set_text(word)
        hint = name_mistake(x, y) if wrong else "all points are where they belong."
        whose = "Your function" if norm == "yours" else f"Function '{norm}'"
        hint = hint or "no mistake known here; compare it with the formula."
        return (
            f"{whose}, input plus {shift:.2f}, times {scale:g}: {wrong} of {len(x)} "
            f"points are off, by up to {away.max():.2g}; {hint}" + self.from_view(turn)
        )

    def _mark_beyond(self, y):
        """Put a triangle at the edge for each point outside; say how many."""
        seen = self.scene.seen(y)
        edge = 0.97 * np.array([self.scene.half_width, self.half_height])
        times = np.abs(seen / edge).max(axis=-1)
        out = times > 1 / 0.97
        self.beyond.set_data(*(seen[out] / times[out, None]).T)
        return f"▲ {out.sum()} beyond the picture" if out.any() else ""

    def _run(self, norm, x):
        if norm != "yours":
            return self.functions[norm](x)
        return reader_array(self.function, x, shape=x.shape)


class Centring(_Scene):
    """A map that writes vectors, its weights centred bit by bit, under RMS norm."""

    half_height = 3.0

    def __init__(self):
        rng = np.random.default_rng(5)
        self.inputs = rng.normal(size=(60, 4))
        self.weight = 0.55 * rng.normal(size=(4, 3))
        self.bias = np.array([1.4, 0.6, 0.7])
        super().__init__()

    def make_controls(self):
        """Return the controls: how far the weights are centred, turn."""
        return {
            "centred": controls.slider("mean taken out of W, b", 0, 1, 0.0, 0.05),
            "turn": self.turn_slider(),
        }

    def draw(self, fig):
        """Draw the scene and its key."""
        self.scene = self.add_scene(fig)
        self.written = self.scene.cloud(style.BEFORE, 22)
        self.goal = self.scene.cloud("white", 60, edge=style.LAYER)
        self.goal.set_linewidth(1.4)
        self.lines = self.scene.trails(style.WARN, 1.5)
        self.cloud = self.scene.cloud(style.RMS, 40)
        key = (
            ("written: x W + b", ".", style.BEFORE, "none"),
            ("layer norm, W as it was", "o", "white", style.LAYER),
            ("RMS norm, W as set", "o", style.RMS, "white"),
        )
        self.add_key(fig, key, (0.697, 0.715), (0.76, 0.08))
        self.notes = [fig.text(0.69, 0.40 - 0.08 * k, "") for k in range(2)]
        return [
            *self.scene.moving,
            self.written,
            self.goal,
            self.lines,
            self.cloud,
            *self.notes,
        ]

    def move(self, centred, turn):
        """Write with weights that are centred so far, and normalize."""
        weight, bias = centre_writing_weights(self.weight, self.bias)
        weight = (1 - centred) * self.weight + centred * weight
        bias = (1 - centred) * self.bias + centred * bias
        written = self.inputs @ weight + bias
        right = layer_norm(self.inputs @ self.weight + self.bias, eps=TINY)[0]
        y = rms_norm(written, eps=TINY)[0]
        self.scene.look_from(turn)
        self.scene.place(self.written, written, 0.6)
        self.scene.place(self.goal, right)
        self.scene.place(self.cloud, y)
        self.scene.connect(self.lines, right, y)
        means = np.abs(written.mean(axis=-1)).max()
        away = np.linalg.norm(y - right, axis=-1).max()
        equal = away < 1e-9
        self.notes[0].set_text(f"largest |mean| written {means:.2f}")
        self.notes[1].set_text(
            "no point is off" if equal else f"off by up to {away:.2f}"
        )
        end = (
            "so RMS norm gives exactly what layer norm gave."
            if equal
            else f"RMS norm is off what layer norm gave by up to {away:.2f}."
        )
        return (
            f"Mean taken out of the writing weights: {centred:.0%}. The vectors that "
            f"they write have means up to {means:.2f} in size; {end}"
            + self.from_view(turn)
        )


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

    def touches(self):
        """Let both scenes be turned."""
        scenes = self.layer, self.rms
        return [turn(scene.ax, "turn", full=True) for scene in scenes]

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
            f"is {cosine_to_ones(x).mean():z.3f} and the widest angle {angles[1]:.0f} "
            f"degrees; under layer norm 0 and {angles[0]:.0f} degrees."
            + self.from_view(turn)
        )


def _widest_angle(y):
    unit = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return float(np.degrees(np.arccos(np.clip((unit @ unit.T).min(), -1, 1))))


FIGURES = {
    "two_features": TwoFeatures,
    "projection": Projection,
    "your_sphere": YourSphere,
    "epsilon": Epsilon,
    "affine": Affine,
    "beside_rms": BesideRMS,
    "centring": Centring,
    "many_features": ManyFeatures,
    "singular": Singular,
    "folding": Folding,
}

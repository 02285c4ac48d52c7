"""The picture of layer norm for three features: plane, sphere, circle, ones direction.

The ones direction stands upright, so the plane orthogonal to it lies like a table
and turning the view leaves both where they are. They are drawn once; only the
axes, the meridians and the points move.
"""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb, to_rgba

from normlib.live import space, style

RADIUS = np.sqrt(3.0)
BANDS = 9  # shades of the ball: few, so that the picture packs fast
UP = space.ONES / RADIUS
LEVEL = np.vstack([space.plane_basis(space.ONES), UP])  # rows: two in the plane, up


class SphereScene:
    """A view of three-dimensional space with the ones direction upright.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw; its limits and ticks are set here.
    half_height : float
        Half of what is seen, from bottom to top, in the unit of x.
    plane : float
        Radius of the disc that stands for the plane; 0 leaves it out.
    circle : bool
        Whether the circle of radius sqrt(3) in the plane is drawn.
    pole : float
        Length of the arrow of the ones direction.
    axes : float
        Length of the three axes of the features.
    elevation : float
        How far above the plane the viewer stands, in degrees.
    """

    def __init__(
        self,
        ax,
        half_height,
        *,
        plane=3.0,
        circle=True,
        pole=2.75,
        axes=2.2,
        elevation=24,
    ):
        self.ax, self.elevation, self.color = ax, elevation, style.LAYER
        self.ends = axes * np.eye(3)
        box = ax.get_window_extent()
        self.half_width = half_height * box.width / box.height
        ax.set(xlim=(-self.half_width, self.half_width))
        ax.set(ylim=(-half_height, half_height))
        ax.axis("off")
        self.turn = self._view(0)
        if plane:
            back = [plane * self._towards(a) for a in np.linspace(0, 180, 60)]
            self._fill(np.array(back), 0.13, 1)
            ax.text(
                *self._seen(plane * self._towards(-33)),
                " plane of\n mean 0",
                color=self.color,
                va="top",
            )
        self._draw_pole(pole)
        self._draw_ball()
        if plane:
            front = [plane * self._towards(a) for a in np.linspace(-180, 0, 60)]
            self._fill(np.array(front), 0.13, 4)
        if circle:
            self._draw_circle()
        self.meridians = LineCollection([], linewidths=0.7)
        self.axes = LineCollection([], linewidths=1.0, colors="#555555")
        for lines in (self.meridians, self.axes):
            ax.add_collection(lines)
        self.names = [
            ax.text(0, 0, f"x[{k}]", ha="center", va="center", color="#444444", size=11)
            for k in range(3)
        ]
        self.moving = [self.meridians, self.axes, *self.names]

    def look_from(self, azimuth):
        """Turn the scene around the ones direction, by degrees."""
        self.turn = self._view(azimuth)
        self.axes.set_segments([[(0, 0), self._seen(end)] for end in self.ends])
        for name, end in zip(self.names, self.ends, strict=True):
            x, y = self._seen(end)
            away = 1 / np.hypot(x, y)  # beyond the end, however short it is on paper
            x, y = x * (1 + 0.24 * away), y * (1 + 0.17 * away)
            behind_pole = y > 0 and abs(x) < 0.25
            name.set_position((-0.38 if behind_pole else x, y))
        self._draw_meridians(azimuth)

    def seen(self, points):
        """Return where points, shape (..., 3), are on paper."""
        return space.on_paper(points, self.turn)

    def near(self, points):
        """Return 0 for points far behind the origin to 1 far in front of it."""
        return np.clip(0.5 + space.nearness(points, self.turn) / 5.0, 0, 1)

    def cloud(self, color, size=46, edge="white"):
        """Return an empty scatter whose points `place` sets."""
        points = self.ax.scatter([], [], s=size, linewidths=0.6)
        points.base = to_rgb(color), to_rgb(edge), size
        return points

    def place(self, scatter, points, alpha=1.0):
        """Set points into a scatter: near ones larger, stronger and on top."""
        color, edge, size = scatter.base
        order = np.argsort(space.nearness(points, self.turn))
        points = points[order]
        near = self.near(points)
        strength = alpha * (0.35 + 0.65 * near)
        scatter.set_offsets(self.seen(points))
        scatter.set_sizes(size * (0.45 + 0.9 * near))
        scatter.set_facecolors(_fading(color, strength))
        scatter.set_edgecolors(_fading(edge, strength))

    def trails(self, color, width=1.0):
        """Return an empty collection of lines that `connect` sets."""
        lines = LineCollection([], linewidths=width, colors=[to_rgba(color, 0.35)])
        self.ax.add_collection(lines)
        return lines

    def connect(self, lines, *stations):
        """Draw a line through each point's stations, arrays of shape (n, 3)."""
        lines.set_segments(np.stack([self.seen(s) for s in stations], axis=1))

    def _view(self, azimuth):
        return space.view(azimuth, self.elevation) @ LEVEL

    def _towards(self, angle):
        """Return the unit vector in the plane at an angle from the right, on paper."""
        right, up, towards = self._view(0)
        away = towards - (towards @ UP) * UP
        away /= -np.linalg.norm(away)
        a = np.deg2rad(angle)
        return np.cos(a) * right + np.sin(a) * away

    def _seen(self, point):
        return tuple(self.seen(point))

    def _fill(self, points, alpha, zorder):
        x, y = self.seen(points).T
        self.ax.fill(x, y, color=self.color, alpha=alpha, lw=0, zorder=zorder)

    def _draw_pole(self, length):
        tip = self._seen(length * UP)
        for z, part, width in ((0.5, -length, 1.2), (5, length, 2.2)):
            end = self._seen(part * UP)
            line = dict(color=style.INK, lw=width, zorder=z)
            self.ax.plot([0, end[0]], [0, end[1]], ls="-" if part > 0 else ":", **line)
        self.ax.plot(*tip, "^", color=style.INK, ms=9, zorder=5)
        self.ax.text(tip[0] + 0.12, tip[1], "(1, 1, 1)", va="center", weight="bold")

    def _draw_ball(self):
        """Shade the sphere as if lit from the upper left."""
        x, y = np.meshgrid(*[np.linspace(-1, 1, 240)] * 2)
        inside = np.clip((1 - np.hypot(x, y)) * 60, 0, 1)
        z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
        light = np.clip((-0.45 * x + 0.55 * y + 0.70 * z), 0, 1)
        light = np.round(light * BANDS) / BANDS
        dark, bright = np.array(to_rgb("#9fb2c8")), np.array(to_rgb("#f6f9fc"))
        rgb = dark + (bright - dark) * light[..., None]
        alpha = inside * 0.5
        self.ax.imshow(
            np.dstack([rgb, alpha]),
            extent=[-RADIUS, RADIUS, -RADIUS, RADIUS],
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            zorder=3,
        )
        outline = self.seen(space.sphere_outline(self.turn, RADIUS, 121))
        self.ax.plot(*outline.T, color="#8a9bb0", lw=1.2, zorder=3)

    def _draw_circle(self):
        for start, width, alpha, z in ((0, 2.2, 0.55, 3.5), (180, 3.6, 1.0, 6)):
            angles = np.linspace(start, start + 180, 61)
            line = np.array([RADIUS * self._towards(a) for a in angles])
            self.ax.plot(
                *self.seen(line).T, color=self.color, lw=width, alpha=alpha, zorder=z
            )

    def _draw_meridians(self, azimuth):
        along = np.linspace(-90, 90, 31)
        lines, colors = [], []
        for longitude in np.arange(0, 360, 45) + 22.5:
            a, b = np.deg2rad(longitude), np.deg2rad(along)
            ring = np.column_stack(
                [np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)]
            )
            arc = RADIUS * ring @ LEVEL
            front = space.nearness(arc, self.turn) > 0
            for side, alpha in ((front, 0.30), (~front, 0.10)):
                if side.sum() > 1:
                    lines.append(self.seen(arc[side]))
                    colors.append(to_rgba("#5b7086", alpha))
        self.meridians.set(segments=lines, color=colors)


def _fading(rgb, alpha):
    return np.column_stack([np.tile(rgb, (len(alpha), 1)), alpha])

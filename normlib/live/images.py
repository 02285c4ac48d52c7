"""Write the pictures of ``images/`` from the figures and functions that draw them.

``make images`` runs this module; a test compares its result with the files.
"""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from normlib.axes import index_sets
from normlib.live import cube, film, style

FOLDER = Path(__file__).resolve().parents[2] / "images"

# The four of Wu & He (2018), figure 2.
NORMS = (
    ("Batch norm", "batch", {}),
    ("Layer norm", "layer", {"axes": (1, 2, 3)}),
    ("Instance norm", "instance", {}),
    ("Group norm, G = 2", "group", {"num_groups": 2}),
)


def norms(shape=(4, 6, 3, 2)):
    """Return a figure of four cubes: the entries that share the first one's mean."""
    n, c, h, w = shape
    with style.style(lecture=False):
        fig = Figure(figsize=(12, 3.2), dpi=style.DPI)
        FigureCanvasAgg(fig)
        for k, (title, norm, options) in enumerate(NORMS):
            ax = fig.add_axes((0.244 * k, 0.0, 0.25, 0.9))
            drawn = cube.Cube(ax, (n, c, h * w))
            labels = index_sets(norm, shape, **options)
            members = (labels == labels[0, 0, 0, 0]).reshape(n, c, h * w)
            drawn.show(members, style.NORM_COLOR[norm])
            ax.set_title(title, loc="center")
        fig.canvas.draw()
    return fig


def write(folder=FOLDER):
    """Write all pictures to `folder` and return their paths."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    fig = norms()
    paths = [folder / "norms.png", folder / "norms.svg"]
    with style.style(lecture=False):
        fig.savefig(paths[0], metadata={"Software": None})
        fig.savefig(paths[1], metadata={"Date": None, "Creator": None})
    paths.append(folder / "touched.gif")
    film.table_touched().save(paths[-1])
    return paths


if __name__ == "__main__":
    for written in write():
        print(written.relative_to(FOLDER.parent))

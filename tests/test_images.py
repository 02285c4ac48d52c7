"""The pictures in images/ are what the code draws, to the pixel and to the path."""

import io

import numpy as np
import pytest
from PIL import Image

from normlib.axes import index_sets
from normlib.live import cube, figures, film, images


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return images.write(tmp_path_factory.mktemp("images"))


def test_the_folder_holds_what_the_code_draws(written):
    names = {path.name for path in written}
    assert names == {p.name for p in images.FOLDER.iterdir() if p.is_file()}
    for path in written:
        kept = images.FOLDER / path.name
        if path.suffix in (".png", ".gif"):
            new, old = Image.open(path), Image.open(kept)
            frames = [getattr(one, "n_frames", 1) for one in (new, old)]
            assert frames[0] == frames[1], f"{path.name}: run make images"
            for k in range(0, frames[0], 7):
                new.seek(k)
                old.seek(k)
                assert new.info.get("duration") == old.info.get("duration")
                assert look_alike(new, old), f"{path.name}: run make images"
        else:
            assert path.stat().st_size == pytest.approx(kept.stat().st_size, rel=0.02)


def look_alike(one, other):
    """Return whether two pictures agree, but for a few edge pixels of letters.

    Other builds of freetype shade those otherwise.
    """
    one, other = (np.asarray(p.convert("L"), int) for p in (one, other))
    return one.shape == other.shape and (np.abs(one - other) > 40).mean() < 2e-3


@pytest.mark.parametrize(("title", "norm", "options"), images.NORMS)
def test_a_cube_shows_the_index_set_of_its_norm(title, norm, options):
    """Every entry of the set is drawn as three faces, and no other entry."""
    shape = (4, 6, 3, 2)
    labels = index_sets(norm, shape, **options)
    members = (labels == labels[0, 0, 0, 0]).reshape(4, 6, 6)
    polygons, colors = cube.faces(members, "#336699")
    assert len(polygons) == len(colors) == 3 * members.sum()
    fronts = {tuple(np.round(p[0], 6)) for p in polygons[::3]}
    corners = {
        tuple(np.round(cube.project(*entry), 6)) for entry in np.argwhere(members)
    }
    assert fronts == corners


def test_near_faces_are_painted_after_far_ones():
    members = np.ones((2, 2, 2), bool)
    polygons, _ = cube.faces(members, "#336699")
    assert np.allclose(polygons[-3][0], cube.project(0, 1, 1))
    assert np.allclose(polygons[0][0], cube.project(1, 0, 0))


def test_images_are_small():
    sizes = {p.name: p.stat().st_size for p in images.FOLDER.rglob("*") if p.is_file()}
    assert sum(sizes.values()) < 4_000_000
    assert sizes.pop("touched.gif") < 2_000_000
    assert [name for name, size in sizes.items() if size > 300_000] == []


# ---- the moving picture --------------------------------------------------------


@pytest.fixture
def shot():
    return film.Film(figures()["which_numbers_share_a_mean.table"](), "norm")


def test_the_film_shows_what_the_gestures_do_to_the_figure(shot):
    """Each frame holds the figure's own picture, made by its own press and drag."""
    place = shot.figure.touches()[0].place
    shot.click(*place(3, 4))
    assert (shot.figure.values["sample"], shot.figure.values["feature"]) == (4, 3)
    shot.drag(*place(3, 3), count=3)
    assert shot.figure.values["change"] == 8
    shot.choose("layer")
    assert shot.figure.values["norm"] == "layer"
    assert "row n=4" in shot.figure.sentence
    assert len(shot.frames) == len(shot.times) == 8 + 3 + 10
    width, height = shot.size
    top = round(film.ABOVE * shot.figure.dpi)
    drawn = np.asarray(Image.open(io.BytesIO(shot.figure.png)).convert("RGB"), int)
    middle = np.asarray(shot.frames[-1], int)[top : top + height, :width]
    assert (np.abs(middle - drawn).max(axis=2) > 0).mean() < 0.01  # but the pointer


def test_flat_colours_of_the_film_are_kept(shot):
    shot.hold(100)
    (few,) = film.in_few_colors(shot.frames)
    old, new = (np.asarray(p.convert("RGB"), int) for p in (shot.frames[0], few))
    assert (np.abs(new - old).max(axis=2) > 12).mean() < 2e-3

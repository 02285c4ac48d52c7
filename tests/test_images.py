"""The pictures in images/ are what the code draws, to the pixel and to the path."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from normlib.axes import index_sets
from normlib.live import cube, images


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return images.write(tmp_path_factory.mktemp("images"))


def test_the_folder_holds_what_the_code_draws(written):
    names = {path.name for path in written}
    assert names == {path.name for path in images.FOLDER.iterdir()}
    for path in written:
        kept = images.FOLDER / path.name
        if path.suffix == ".png":
            # Other builds of freetype shade a few edge pixels of letters otherwise.
            new, old = (
                np.asarray(Image.open(p).convert("L"), int) for p in (path, kept)
            )
            assert new.shape == old.shape, f"{path.name}: run make images"
            differ = (np.abs(new - old) > 40).mean()
            assert differ < 2e-3, f"{path.name}: run make images"
        else:
            assert path.stat().st_size == pytest.approx(kept.stat().st_size, rel=0.02)


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
    for path in Path(images.FOLDER).iterdir():
        assert path.stat().st_size < 300_000, path.name

"""Nothing without a reader: every name of normlib serves a notebook."""

import ast

import pytest
import reach

# What waits for a notebook that is still to be written, by module or by name.
WAITING = {}
# Read by the tests of every lesson; and a method that matplotlib calls.
BESIDE = {
    "normlib.lessons",
    "normlib.lessons.lesson.seeds",
    "normlib.lessons.lesson.Lesson.secrets",
    "normlib.lessons.lesson.Lesson.statements",
    "normlib.lessons.lesson.Lesson.texts",
    "normlib.live.stamps._Paper.get_figure",
}


def waits(name, entry):
    return name == entry or name.startswith(entry + ".")


def test_every_name_serves_a_notebook_or_waits_for_one():
    found = set(reach.unreached(*reach.of_the_collection())) - BESIDE
    lost = [name for name in found if not any(waits(name, e) for e in WAITING)]
    assert not lost, "nothing reaches:\n" + "\n".join(sorted(lost))
    served = [e for e in WAITING if not any(waits(name, e) for name in found)]
    assert not served, f"reached or gone, take out: {served}"


def test_only_notebooks_that_are_to_come_are_waited_for():
    have = {path.name[:2] for path in (reach.ROOT / "notebooks").glob("*.ipynb")}
    assert not set(WAITING.values()) & have
    assert set(WAITING.values()) <= {"10", "11", "12", "13"}


# ---- the test above can fail --------------------------------------------------


@pytest.fixture
def package(tmp_path):
    files = {
        "__init__.py": "from small.maths import double\n",
        "maths.py": (
            "FACTOR = 2\nUNUSED = 3\n"
            "def double(x):\n    return FACTOR * _plain(x)\n"
            "def _plain(x):\n    return x\n"
            "def triple(x):\n    return UNUSED * x\n"
            "class Shape:\n"
            "    def area(self):\n        return 1\n"
            "    def edge(self):\n        return 2\n"
        ),
        "alone.py": "def lonely():\n    return 0\n",
        "pictures.py": "from small import maths\nFIGURES = {'a': maths.Shape}\n"
        "def show(s: maths.Shape):\n    return s.area()\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return reach.read_package(tmp_path, "small")


def found(package, code):
    reached = reach.Reach(package, [reach.Module("notebook", code)])
    return sorted(reach.unreached(package, reached))


def test_what_is_reached_through_imports_aliases_and_bodies(package):
    assert found(package, "from small import double\ndouble(3)") == [
        "small.alone",
        "small.maths.Shape",
        "small.maths.UNUSED",
        "small.maths.triple",
        "small.pictures",
    ]
    code = "from small import pictures as p\nfrom small.maths import triple, double\n"
    assert found(package, code + "p.show(triple(double(1)))") == [
        "small.alone",
        "small.maths.Shape.edge",
    ]
    assert "small.maths.triple" in found(package, code + "p.show(double(1))")


def test_the_walk_reads_the_real_package():
    modules, walked = reach.of_the_collection()
    assert ("normlib.norms", "batch_norm") in walked.names
    assert isinstance(modules["normlib.norms"].tree, ast.Module)
    nothing = reach.Reach(modules, [])
    assert "normlib.norms" in reach.unreached(modules, nothing)

"""Which names of normlib the notebooks reach, found by reading, not by running.

A name is what a module defines at its top: a function, a class, a constant. It is
reached from a notebook through the names that its cells use, and on through the
bodies of what those names stand for. A class is reached as a whole, but each of its
public methods also needs a place, in code that is reached, that says its name.
"""

import ast
import functools
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent


class Module:
    """What one file defines and imports."""

    def __init__(self, name, text, is_package=False):
        self.name = name
        self.tree = ast.parse(text)
        self.imports = {}  # local name -> (module, name or None for the module)
        self.defined = {}  # local name -> the statements that make it
        self.loose = []  # statements that run on import and make no name
        package = name if is_package else name.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                source = node.module or ""
                if node.level:
                    source = f"{package}.{source}".rstrip(".")
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = source, alias.name
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    local = alias.asname or alias.name.split(".")[0]
                    full = alias.name if alias.asname else local
                    self.imports[local] = full, None
        for node in self.tree.body:
            made = _names_made(node)
            if not made and not isinstance(node, ast.Import | ast.ImportFrom):
                self.loose.append(node)
            for made_name in made:
                self.defined.setdefault(made_name, []).append(node)


def _names_made(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return []


def read_package(folder=ROOT / "normlib", name="normlib"):
    """Return every module of the package by its name."""
    modules = {}
    for path in sorted(folder.rglob("*.py")):
        parts = (name, *path.relative_to(folder).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        full = ".".join(parts[:-1] if is_package else parts)
        modules[full] = Module(full, path.read_text("utf-8"), is_package)
    return modules


def read_notebook(path):
    """Return the code of a notebook as one module; it counts as run on import."""
    cells = nbformat.read(path, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return Module(path.stem, code)


class Reach:
    """All names of `modules` that the code of `roots` reaches."""

    def __init__(self, modules, roots):
        self.modules = modules
        self.names = set()  # (module, name)
        self.ran = set()  # modules whose import was reached
        self.said = set()  # attributes and keywords in reached code
        for root in roots:
            self._read(root, root.tree)

    def _run(self, module):
        """Reach what runs when `module` is imported."""
        if module in self.ran or module not in self.modules:
            return
        self.ran.add(module)
        for node in self.modules[module].loose:
            self._read(self.modules[module], node)

    def _reach(self, module, name):
        """Reach one name of a module, or a module within it."""
        if f"{module}.{name}" in self.modules:
            self._run(f"{module}.{name}")
            return
        if module not in self.modules or (module, name) in self.names:
            return
        self._run(module)
        found = self.modules[module]
        if name in found.defined:
            self.names.add((module, name))
            for node in found.defined[name]:
                self._read(found, node)
        elif name in found.imports:
            self._use(found.imports[name])

    def _use(self, imported):
        source, name = imported
        if name is None:
            self._run(source)
        else:
            self._reach(source, name)

    def _module_of(self, module, node):
        """Return the name of the module that an expression stands for, or None."""
        if isinstance(node, ast.Name) and node.id in module.imports:
            source, name = module.imports[node.id]
            full = source if name is None else f"{source}.{name}"
            return full if full in self.modules else None
        if isinstance(node, ast.Attribute):
            parent = self._module_of(module, node.value)
            full = f"{parent}.{node.attr}"
            return full if full in self.modules else None
        return None

    def _read(self, module, tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                self.said.add(node.attr)
                owner = self._module_of(module, node.value)
                if owner is not None:
                    self._reach(owner, node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.said.add(node.value)
            elif isinstance(node, ast.Name):
                if node.id in module.imports:
                    self._use(module.imports[node.id])
                if module.name in self.modules and node.id in module.defined:
                    self._reach(module.name, node.id)


SPECIAL = {"__all__", "__dir__", "__getattr__", "FIGURES"}


def _methods(module, name):
    """Return the public methods of a class, each once."""
    parts = [
        part for node in module.defined[name] for part in getattr(node, "body", ())
    ]
    if not isinstance(module.defined[name][0], ast.ClassDef):
        return []
    names = {part.name for part in parts if isinstance(part, ast.FunctionDef)}
    return sorted(name for name in names if not name.startswith("_"))


def unreached(modules, reach):
    """Return what no root reaches: modules, then names, then methods."""
    found = []
    for full, module in modules.items():
        reached = {name for owner, name in reach.names if owner == full}
        names = set(module.defined) - SPECIAL
        if names and not names & reached:
            found.append(full)
            continue
        found += [f"{full}.{name}" for name in sorted(names - reached)]
        for name in sorted(names & reached):
            found += [
                f"{full}.{name}.{method}"
                for method in _methods(module, name)
                if method not in reach.said
            ]
    return found


@functools.cache
def of_the_collection():
    """Return the modules of normlib and what its notebooks reach of them."""
    modules = read_package()
    roots = [
        read_notebook(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    ]
    # The pictures of the README and of the notebooks' text.
    roots.append(modules["normlib.live.images"])
    return modules, Reach(modules, roots)

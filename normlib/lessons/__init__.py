"""What each notebook asks and says, as data: one module a notebook."""

import pkgutil
from importlib import import_module


def lessons():
    """Return every lesson of the collection, by the number of its notebook."""
    modules = [
        import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
    ]
    found = [module.lesson for module in modules if hasattr(module, "lesson")]
    return {lesson.number: lesson for lesson in sorted(found, key=lambda x: x.number)}

"""Train a figure at many seeds at once, which gives the very runs of each seed alone.

A thing to notice holds at ten seeds, and one small network keeps a processor as busy as
several.
"""

import numpy as np

from normlib.batch.batch_size import batch_size_rows
from normlib.covariate_shift.input_change import figure_one
from normlib.landscape.along_gradient import CASES, along_the_gradient
from normlib.live.internal_covariate_shift import FigureOne
from normlib.live.loss_landscape import (
    EVERY,
    NETWORKS,
    STEPS,
    AlongTheGradient,
    walked,
)
from normlib.live.style import NORMS
from normlib.live.when_not_batch_norm import SIZES, BatchSizes
from normlib.nets.training import LOSS_LIMIT
from normlib.nets.watching import gather


def train(figure, values, seeds):
    """Put the runs at these seeds where the figure keeps its own, if one knows how."""
    for kind, put in AHEAD.items():
        if isinstance(figure, kind):
            put(values, list(seeds))


def _walks(values, seeds):
    network = values["network"]
    seeds = [s for s in seeds if any((network, n, s) not in walked for n in NORMS)]
    if not seeds:
        return
    for name, norm in NORMS.items():
        how = {"steps": STEPS, "every": EVERY, **CASES[NETWORKS[network]]}
        found = gather(along_the_gradient(norm, seed=seeds, **how))
        for k, seed in enumerate(seeds):
            if (found.loss[:, k] <= LOSS_LIMIT).all():  # else it ends earlier alone
                own = [found.step, *(field[..., k] for field in found[1:3])]
                own += [found.lengths, *(field[..., k] for field in found[4:9])]
                walked[network, name, seed] = type(found)(*own, found.reason)


def _inputs(values, seeds):
    lr, init = values["lr"], values["init"]
    seeds = [seed for seed in seeds if (lr, init, seed) not in FigureOne.runs]
    if not seeds:
        return
    how = {"lr": lr, "init": init, "width": 32}
    how |= {"steps": FigureOne.steps, "every": FigureOne.every}
    found = {
        n: gather(figure_one(norm, seed=seeds, **how)) for n, norm in NORMS.items()
    }
    for k, seed in enumerate(seeds):
        if all((run.loss[:, k] <= LOSS_LIMIT).all() for run in found.values()):
            FigureOne.runs[lr, init, seed] = {
                name: run._replace(
                    loss=run.loss[:, k],
                    accuracy=run.accuracy[:, k],
                    mean=run.mean[:, k],
                    edges=run.edges[:, :, k],
                )
                for name, run in found.items()
            }


def _batch_sizes(values, seeds):
    rule, epochs = values["rule"], values["epochs"]
    seeds = [seed for seed in seeds if (rule, epochs, seed) not in BatchSizes.runs]
    if not seeds:
        return
    how = {"epochs": epochs, "examples": 480, "seeds": seeds}
    how["proportional"] = rule == "in proportion"
    found = {
        n: list(batch_size_rows((n,), SIZES[::-1], **how)) for n in ("batch", "layer")
    }
    if any(row.reason for rows in found.values() for row in rows):
        return  # a run that stopped early stopped all
    for k, seed in enumerate(seeds):
        BatchSizes.runs[rule, epochs, seed] = {
            name: [
                row._replace(
                    running=row.running[k : k + 1],
                    precise=row.precise[k : k + 1],
                    batch=row.batch[k : k + 1],
                )
                for row in rows
            ]
            for name, rows in found.items()
        }


AHEAD = {AlongTheGradient: _walks, FigureOne: _inputs, BatchSizes: _batch_sizes}


def same(one, other):
    """Return whether two runs hold the same numbers, to the bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(one, other)

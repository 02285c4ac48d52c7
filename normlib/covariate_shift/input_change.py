"""How a layer's input changes over training (Ioffe and Szegedy 2015, figure 1).

This is one of two definitions of internal covariate shift in use; the other one is
in `gradient_shift`.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, indices, integer, natural, real, reals, takes
from normlib.nets.digits_network import digits_network
from normlib.nets.network import network
from normlib.nets.training import evaluate
from normlib.nets.watching import iterates

EDGES = (15, 85)


class InputRecord(NamedTuple):
    """What `figure_one` yields.

    Attributes
    ----------
    step : int
        Updates made so far.
    loss : float, or ndarray of shape (K,)
        Loss on the mini-batch, in nats.
    accuracy : float, or ndarray of shape (K,)
        Share of the 360 test digits that are classified right.
    mean : ndarray of shape (width,) or (K, width)
        Mean over the test digits of the input to each unit of the last hidden layer.
    edges : ndarray of shape (2, width) or (2, K, width)
        15th and 85th percentile of the same.
    reason : str
        Empty, or why the run stopped early.
    """

    step: int
    loss: float
    accuracy: float
    mean: np.ndarray
    edges: np.ndarray
    reason: str = ""


@takes(net=network, x=reals)
def last_hidden_input(net, x):
    """Return the input to the activation of the last hidden layer.

    Parameters
    ----------
    net : Network
        Built by `mlp` with an activation; it is left as it was.
    x : ndarray of shape (N, D)
        Inputs. Batch norm uses the statistics of these N, as in training.

    Returns
    -------
    ndarray of shape (N, width)
        What the last activation receives: after the norm, if there is one.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = mlp([2, 5, 3], norm="batch", activation="sigmoid")
    >>> last_hidden_input(net, np.eye(2)).shape
    (2, 5)
    """
    with net.in_mode("probe"), np.errstate(over="ignore", invalid="ignore"):
        net.forward(x, record=True)
    return net.outputs[-3]


@takes(width=natural, batch_size=natural, seed=indices)
def figure_one(
    norm=None,
    *,
    activation="sigmoid",
    init=0.1,
    lr=0.5,
    depth=3,
    width=100,
    batch_size=60,
    steps=1500,
    every=25,
    seed=0,
    dtype=np.float64,
):
    """Train on digits and record the inputs of the last hidden layer (figure 1).

    Parameters
    ----------
    norm : {None, "batch", "layer", "rms", "group:8"}, default None
        Norm of the hidden layers.
    activation : {"sigmoid", "tanh", "relu"}, default "sigmoid"
        Activation of the hidden layers.
    init : float or str, default 0.1
        Standard deviation of the weights, or the name of an initialisation. It
        decides the story: at 0.01 the network without norm never learns.
    lr : float, default 0.5
        Learning rate.
    depth, width : int, default 3 and 100
        Hidden layers and units in each, as in the paper.
    batch_size : int, default 60
        Digits per step, as in the paper.
    steps : int, default 1500
        Updates.
    every : int, default 25
        Updates between two records.
    seed : int or list of K ints, default 0
        Weights, split of the data and order of the batches; a list trains K networks at
        once.
    dtype : dtype, default float64
        float32 is faster; single runs then differ in their last digits.

    Yields
    ------
    InputRecord
        Before the first update and after every `every` updates.

    Notes
    -----
    Mean and percentiles are taken in training mode, batch norm using the statistics
    of the test digits, always the same ones: the mean is then exactly beta. The
    accuracy is taken in evaluation mode. The paper draws the median in place of the
    mean, trains on MNIST and gives neither learning rate nor initial scale.

    References
    ----------
    Ioffe and Szegedy (2015), arXiv:1502.03167, section 4.1 and figure 1.

    Examples
    --------
    >>> records = list(figure_one("batch", steps=20, every=10, width=8))
    >>> [record.step for record in records], records[0].edges.shape
    ([0, 10, 20], (2, 8))
    """
    choice("activation", activation, ("sigmoid", "tanh", "relu"))
    integer("every", every)
    net, digits, rng = digits_network(
        seed,
        norm,
        activation=activation,
        depth=depth,
        width=width,
        standardized=False,
        init=init,
        dtype=dtype,
    )
    loop = iterates(
        net, *digits.train, lr=lr, batch_size=batch_size, steps=steps, rng=rng
    )
    return _watch_inputs(net, digits, loop, every)


def _watch_inputs(net, digits, loop, every):
    for iterate in loop:
        if iterate.step % every == 0 or iterate.reason:
            inputs = last_hidden_input(net, digits.x_test)
            accuracy = evaluate(net, *digits.test)[1]
            mean, edges = inputs.mean(-2), np.percentile(inputs, EDGES, axis=-2)
            step, loss, reason = iterate.step, iterate.loss, iterate.reason
            yield InputRecord(step, loss, accuracy, mean, edges, reason)


@takes(accuracy=real)
def steps_to_accuracy(history, accuracy=0.9):
    """Return the first recorded step with at least this test accuracy.

    Parameters
    ----------
    history : InputRecord of arrays
        ``gather(figure_one(...))``.
    accuracy : float, default 0.9
        Share of right answers, 0 to 1.

    Returns
    -------
    float
        The step; infinity if it was never reached.

    Examples
    --------
    >>> h = InputRecord(np.array([0, 25]), None, np.array([0.1, 0.95]), 0, 0)
    >>> steps_to_accuracy(h), steps_to_accuracy(h, 0.99)
    (25.0, inf)
    """
    reached = np.asarray(history.accuracy) >= accuracy
    return float(history.step[reached.argmax()]) if reached.any() else float("inf")

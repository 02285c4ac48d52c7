"""A simple recurrent cell, with or without layer norm, and its gradient."""

import numpy as np

from normlib._arguments import choice, generator, integer, number
from normlib.axes import sharing
from normlib.nets.layers import Layer, check_features, initial_weights
from normlib.norms import backward, forward

__all__ = ["RecurrentCell"]


class RecurrentCell(Layer):
    """Recurrent layer ``h_t = f(a_t)``, ``a_t = x_t @ w_x + h_{t-1} @ w_h + bias``.

    With layer norm ``h_t = f(gamma * a_hat_t + beta)``, where ``a_hat_t`` is
    ``a_t`` minus its mean over the units, divided by its standard deviation:
    one mean per case and per time step, so that neither the batch nor the
    length of the sequence matters.

    Parameters
    ----------
    n_in, n_hidden : int
        Number of inputs and of units.
    norm : {None, "layer"}, default None
        Norm of the summed input of a unit.
    activation : {"tanh", "relu"}, default "tanh"
        The function f.
    init, gain : see :func:`normlib.nets.layers.initial_weights`
        How both weight matrices are drawn; ``gain`` is that of ``w_h`` only.
    eps : float, default 1e-5
        Added to the variance, inside the root.
    rng : int or numpy.random.Generator
        Source of the weights; an int is taken as a seed.

    Notes
    -----
    ``forward`` takes ``x`` of shape (N, T, n_in) and returns all states,
    (N, T, n_hidden). A step where ``mask`` is False leaves the state as it was
    and passes no gradient to ``x``, so padding changes nothing.

    References
    ----------
    J. Ba, J. Kiros and G. Hinton (2016), arXiv:1607.06450, equation 4.

    Examples
    --------
    >>> cell = RecurrentCell(2, 3, norm="layer", rng=0)
    >>> cell.forward(np.zeros((4, 5, 2))).shape
    (4, 5, 3)
    """

    def __init__(
        self,
        n_in,
        n_hidden,
        norm=None,
        *,
        activation="tanh",
        init="lecun",
        gain=1.0,
        eps=1e-5,
        rng,
    ):
        self.norm = choice("norm", norm, (None, "layer"))
        self.activation = choice("activation", activation, ("tanh", "relu"))
        self.eps = number("eps", eps, minimum=0)
        n = integer("n_hidden", n_hidden)
        rng = generator(rng)
        params = {
            "w_x": initial_weights(rng, n_in, n, init),
            "w_h": initial_weights(rng, n, n, init, gain),
        }
        if norm == "layer":
            params["gamma"] = np.ones(n)
            params["beta"] = np.zeros(n)
        else:
            params["bias"] = np.zeros(n)
        super().__init__(**params)

    def forward(self, x, mask=None, h0=None):
        """Return the states h_1 .. h_T for ``x``, from the state ``h0`` (default 0).

        ``mask`` (N, T) is True where a sequence has a value; ``h0`` is
        (N, n_hidden). Integers are computed with as floats. Raises a ValueError
        for other shapes.
        """
        x = self.floats(x)
        check_features(x, self.params["w_x"].shape[0], "RecurrentCell")
        if x.ndim != 3 or self.networks is not None:
            raise ValueError(
                f"RecurrentCell expects x of shape (N, T, n_in) in a single network, "
                f"got {x.shape}"
            )
        cases, times, _ = x.shape
        units = self.params["w_h"].shape[0]
        everywhere = np.ones((cases, times), dtype=bool)
        mask = everywhere if mask is None else np.asarray(mask, dtype=bool)
        h = np.zeros((cases, units), x.dtype) if h0 is None else self.floats(h0)
        for name, given, shape in (
            ("mask", mask, (cases, times)),
            ("h0", h, (cases, units)),
        ):
            if given.shape != shape:
                raise ValueError(
                    f"{name} must have shape {shape} for x of shape {x.shape}, got "
                    f"{given.shape}; np.broadcast_to({name}, {shape}) repeats it"
                )
        x = np.where(mask[..., None], x, 0)  # NaN in the padding would spread
        self.x, self.mask, self.h0 = x, mask, h
        self.states = np.empty((cases, times, units), x.dtype)
        self.tape = []  # what each step keeps for its gradient
        drive = x @ self.params["w_x"]
        for t in range(times):
            a = drive[:, t] + h @ self.params["w_h"]
            new, kept = self.activate(a)
            h = np.where(mask[:, t, None], new, h)
            self.tape.append(kept)
            self.states[:, t] = h
        return self.states

    def floats(self, values):
        """Return an array; numbers that are no floats in the dtype of the weights."""
        values = np.asarray(values)
        floating = values.dtype.kind == "f"
        return values if floating else values.astype(self.params["w_x"].dtype)

    def backward(self, dstates):
        """Return the gradient of ``x``; that of the first state is in ``dh0``.

        Backpropagation through time: the gradient of a state is what the loss
        sends to it plus what the next step sends back.
        """
        self.check_gradient(dstates, self.states.shape)
        for grad in self.grads.values():
            grad[...] = 0
        dx = np.empty_like(self.x)
        dh = np.zeros_like(self.h0)
        for t in reversed(range(self.x.shape[1])):
            dh = dh + dstates[:, t]
            live = self.mask[:, t, None]
            da = self.activate_backward(np.where(live, dh, 0), self.tape[t])
            before = self.states[:, t - 1] if t > 0 else self.h0
            self.grads["w_x"] += self.x[:, t].T @ da
            self.grads["w_h"] += before.T @ da
            dx[:, t] = da @ self.params["w_x"].T
            dh = np.where(live, 0, dh) + da @ self.params["w_h"].T
        self.dh0 = dh
        return dx

    def activate(self, a):
        """Return the new state of a step, and what its gradient needs."""
        if self.norm == "layer":
            gamma, beta = self.params["gamma"], self.params["beta"]
            how = sharing("layer", a.shape)
            a, a_hat, stats = forward(a, how, self.eps, gamma, beta)
            kept = a_hat, stats.inv_std
        else:
            a = a + self.params["bias"]
            kept = ()
        h = np.tanh(a) if self.activation == "tanh" else np.maximum(a, 0)
        return h, (h, *kept)

    def activate_backward(self, dh, kept):
        """Return the gradient of ``a``, and add to those of the parameters."""
        h = kept[0]
        da = dh * (1 - h * h) if self.activation == "tanh" else dh * (h > 0)
        if self.norm is None:
            self.grads["bias"] += da.sum(axis=0)
            return da
        _, a_hat, inv_std = kept
        how = sharing("layer", a_hat.shape)
        da, dgamma, dbeta = backward(da, a_hat, inv_std, how, self.params["gamma"])
        self.grads["gamma"] += dgamma[0]
        self.grads["beta"] += dbeta[0]
        return da

"""A small decoder-only transformer: embedding, attention, blocks, read-out.

The stream is a matrix with one row per token: N sequences of `length` tokens make
N * length rows of `width` features, so that linear maps and norms are the layers of
any other network. Only attention looks from one row to another.
"""

import numpy as np

from normlib._arguments import (
    as_array,
    choice,
    generator,
    integer,
    natural,
    number,
    reals,
    takes,
)
from normlib.nets.layers import Layer, Linear, ReLU, Residual, check_array
from normlib.nets.losses import check_integers, softmax, softmax_cross_entropy
from normlib.nets.network import Network, network
from normlib.nets.norm_layers import RMSNorm, norm_layer
from normlib.nets.training import check_rate

__all__ = [
    "Adam",
    "Attention",
    "Embedding",
    "LastTokens",
    "PLACEMENTS",
    "rotate",
    "token_loss",
    "transformer",
]

# Where a norm N stands around a branch F; the third is pre with N(x) / sqrt(l) in
# branch number l.
PLACEMENTS = ("pre", "post", "peri", "scaled", "none")


class Embedding(Layer):
    """Turn tokens into vectors: a row of a table each, plus one for the place.

    Parameters
    ----------
    n_tokens, width, length : int
        Size of the alphabet, features of the stream, tokens of a sequence.
    positions : bool, default True
        Whether a learned vector for the place is added.
    rng : int or numpy.random.Generator
        Source of the weights, N(0, 1) for tokens and places.

    Examples
    --------
    >>> layer = Embedding(2, 1, 3, positions=False, rng=0)
    >>> layer.params["token"][...] = [[10.0], [20.0]]
    >>> layer.forward(np.array([[0, 1, 1]])).ravel()
    array([10., 20., 20.])
    """

    def __init__(self, n_tokens, width, length, positions=True, *, rng):
        rng = generator(rng)
        self.length = integer("length", length)
        self.n_tokens = n_tokens = integer("n_tokens", n_tokens)
        params = {"token": rng.normal(size=(n_tokens, integer("width", width)))}
        if positions:
            params["place"] = rng.normal(size=(length, width))
        super().__init__(**params)

    def forward(self, tokens):
        """Return the rows of the tokens (N, length), or (K, N, length)."""
        check_array(tokens, "Embedding", "tokens")
        if tokens.ndim < 2 or tokens.shape[-1] != self.length:
            raise ValueError(
                f"a sequence must have {self.length} tokens, got {tokens.shape}; "
                "fill it up on the right, which a causal network does not see"
            )
        if not np.isin(tokens, np.arange(self.n_tokens)).all():
            raise ValueError(
                f"tokens must be whole numbers from 0 to {self.n_tokens - 1}, got "
                f"{tokens.min():g} to {tokens.max():g}"
            )
        tokens = tokens.astype(int)
        # tokens as rows of 0 and one 1: the lookup and its gradient are products
        hot = (tokens[..., None] == np.arange(self.n_tokens)).astype(float)
        self.hot = hot.reshape(*tokens.shape[:-2], -1, self.n_tokens)
        x = self.hot @ self.params["token"]
        if "place" in self.params:
            x = self._by_place(x) + self.params["place"][..., None, :, :]
            x = x.reshape(*x.shape[:-3], -1, x.shape[-1])
        return x

    def _by_place(self, x):
        return x.reshape(*x.shape[:-2], -1, self.length, x.shape[-1])

    def backward(self, dy):
        """Fill the gradients of both tables; tokens have none."""
        self.grads["token"][...] = self.hot.mT @ dy
        if "place" in self.params:
            self.grads["place"][...] = self._by_place(dy).sum(axis=-3)
        return np.zeros(1)


class Attention(Layer):
    """Causal self-attention: every token reads those up to itself.

    Parameters
    ----------
    width, heads, length : int
        Features of the stream, heads that share them, tokens of a sequence.
    qk_norm : bool, default False
        RMS norm with gamma on the queries and keys of each head, before rotation.
    rotary : bool, default False
        Rotate queries and keys by an angle that grows with the place.
    gain : float, default 1
        Factor on the weights of the last map, the one that writes to the stream.
    rng : int or numpy.random.Generator
        Source of the weights, N(0, 1 / width).

    Attributes
    ----------
    weights : ndarray of shape (..., N, heads, length, length)
        After `forward`: how much each token (row) reads of each (column).

    References
    ----------
    A. Vaswani et al. (2017), arXiv:1706.03762, equation 1. J. Su et al. (2021),
    arXiv:2104.09864, equation 34 (rotation).

    Examples
    --------
    >>> layer = Attention(2, 1, 3, rng=0)
    >>> y = layer.forward(np.zeros((3, 2)))  # tokens all alike
    >>> layer.weights[0, 0].round(2)
    array([[1.  , 0.  , 0.  ],
           [0.5 , 0.5 , 0.  ],
           [0.33, 0.33, 0.33]])
    """

    def __init__(
        self, width, heads, length, *, qk_norm=False, rotary=False, gain=1.0, rng
    ):
        super().__init__()
        self.heads, self.length = integer("heads", heads), integer("length", length)
        width = integer("width", width)
        if width % (2 * heads if rotary else heads):
            raise ValueError(
                f"{heads} heads must divide the width {width} into "
                f"{'pairs' if rotary else 'equal parts'}; choose another number"
            )
        self.rotary = rotary
        self.query, self.key, self.value, self.out = (
            Linear(width, width, init="lecun", gain=g, rng=rng)
            for g in (1.0, 1.0, 1.0, gain)
        )
        size = width // heads
        self.norms = (RMSNorm(size), RMSNorm(size)) if qk_norm else ()
        self.children = (self.query, self.key, self.value, self.out, *self.norms)
        self.future = np.triu(np.ones((length, length), bool), k=1)

    def forward(self, x):
        """Return what each token reads, (N * length, width) like ``x``."""
        check_sequences(x, self.length, "Attention")
        q, k = (
            self.prepare(linear.forward(x), which)
            for which, linear in enumerate((self.query, self.key))
        )
        v = self.split(self.value.forward(x))
        self.scale = 1 / np.sqrt(q.shape[-1])
        self.logits = q @ k.mT * self.scale
        self.weights = softmax(np.where(self.future, -np.inf, self.logits))
        self.q, self.k, self.v = q, k, v
        return self.out.forward(self.join(self.weights @ v))

    def backward(self, dy):
        """Return the gradient of ``x``, by its three ways."""
        dread = self.split(self.out.backward(dy))
        dweights = dread @ self.v.mT
        dv = self.weights.mT @ dread
        dlogits = dweights - (dweights * self.weights).sum(axis=-1, keepdims=True)
        dlogits *= self.weights * self.scale
        dx = self.value.backward(self.join(dv))
        dx = dx + self.query.backward(self.unprepare(dlogits @ self.k, 0))
        return dx + self.key.backward(self.unprepare(dlogits.mT @ self.q, 1))

    def split(self, x):
        """Turn (N * length, width) into (N, heads, length, size of a head)."""
        x = x.reshape(
            *x.shape[:-2], -1, self.length, self.heads, x.shape[-1] // self.heads
        )
        return x.swapaxes(-2, -3)

    def join(self, x):
        """Undo `split`."""
        x = x.swapaxes(-2, -3)
        return x.reshape(*x.shape[:-4], -1, self.heads * x.shape[-1])

    def prepare(self, x, which):
        """Split queries or keys into heads, normalize and rotate them."""
        if self.norms:
            size = x.shape[-1] // self.heads
            normed = self.norms[which].forward(x.reshape(*x.shape[:-2], -1, size))
            x = normed.reshape(x.shape)
        x = self.split(x)
        return rotate(x) if self.rotary else x

    def unprepare(self, dx, which):
        """Send a gradient back through `prepare`."""
        dx = self.join(rotate(dx, back=True) if self.rotary else dx)
        if self.norms:
            size = dx.shape[-1] // self.heads
            dx_heads = self.norms[which].backward(dx.reshape(*dx.shape[:-2], -1, size))
            dx = dx_heads.reshape(dx.shape)
        return dx


@takes(x=reals)
def rotate(x, back=False):
    """Rotate pairs of features (i, i + size / 2) by an angle that grows with place.

    Parameters
    ----------
    x : ndarray of shape (..., length, size)
        Queries or keys of one head; `size` is even.
    back : bool, default False
        Whether to rotate the other way.

    Returns
    -------
    ndarray of x's shape
        At place p, pair i is turned by ``p * 10000 ** (-2 i / size)`` radians.

    References
    ----------
    J. Su et al. (2021), arXiv:2104.09864, equation 34 (there neighbouring features
    are the pairs).

    Examples
    --------
    >>> rotate(np.array([[1.0, 0.0], [1.0, 0.0]])).round(4)
    array([[1.    , 0.    ],
           [0.5403, 0.8415]])
    """
    x = np.asarray(x)
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., length, size), got {x.shape}")
    length, size = x.shape[-2:]
    if size % 2:
        raise ValueError(f"x must have pairs of features, an even size, got {size}")
    half = size // 2
    angle = np.arange(length)[:, None] * 10000.0 ** (-np.arange(half) / half)
    cos, sin = np.cos(angle), np.sin(angle) * (-1 if back else 1)
    first, second = x[..., :half], x[..., half:]
    return np.concatenate(
        [first * cos - second * sin, first * sin + second * cos], axis=-1
    )


def check_sequences(x, length, where):
    """Raise unless the rows of ``x`` are those of whole sequences."""
    check_array(x, where)
    if x.ndim < 2 or x.shape[-2] % length:
        raise ValueError(
            f"{where} expects x of shape (N * {length}, width), one row per token of "
            f"N sequences, got {x.shape}"
        )


class LastTokens(Layer):
    """Keep the last tokens of each sequence: those that the network is asked for.

    Parameters
    ----------
    length, last : int
        Tokens of a sequence, and how many of them are kept.

    Examples
    --------
    >>> LastTokens(3, 1).forward(np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]))
    array([[2.],
           [5.]])
    """

    def __init__(self, length, last):
        super().__init__()
        self.length, self.last = integer("length", length), integer("last", last)
        if last > length:
            raise ValueError(f"last must be at most length {length}, got {last}")

    def forward(self, x):
        """Return the rows (N * last, width) of (N * length, width)."""
        check_sequences(x, self.length, "LastTokens")
        self.shape = x.shape
        x = x.reshape(*x.shape[:-2], -1, self.length, x.shape[-1])
        x = x[..., self.length - self.last :, :]
        return x.reshape(*x.shape[:-3], -1, x.shape[-1])

    def backward(self, dy):
        """Return the gradient of ``x``, 0 for the tokens left out."""
        dy = dy.reshape(*dy.shape[:-2], -1, self.last, dy.shape[-1])
        dx = np.zeros((*dy.shape[:-2], self.length, dy.shape[-1]), dy.dtype)
        dx[..., self.length - self.last :, :] = dy
        return dx.reshape(self.shape)


@takes(n_tokens=natural, width=natural)
def transformer(
    n_tokens,
    length,
    *,
    width=32,
    blocks=2,
    heads=2,
    placement="pre",
    norm="layer",
    qk_norm=False,
    rotary=False,
    gain=1.0,
    answers=None,
    rng,
):
    """Build a decoder-only transformer.

    Parameters
    ----------
    n_tokens, length : int
        Size of the alphabet and tokens of a sequence.
    width, blocks, heads : int
        Features of the stream; blocks of attention and a feed-forward branch with
        2 * width hidden ReLU units; heads.
    placement : {"pre", "post", "peri", "scaled", "none"}
        ``x + F(N(x))``, ``N(x + F(x))``, ``x + N(F(N(x)))``,
        ``x + F(N(x) / sqrt(l))`` in block l, or ``x + F(x)``. All but the second
        and the last have one more norm before the read-out.
    norm : {"layer", "rms", "batch"} or callable
        The norm N; a function from the width to a layer makes any other.
    qk_norm, rotary : bool
        See `Attention`. With rotary places no vector for the place is added.
    gain : float, default 1
        Factor on the weights of the maps that write to the stream.
    answers : int, optional
        For how many tokens at the end logits are computed; default all.
    rng : int or numpy.random.Generator
        Source of the weights.

    Returns
    -------
    Network
        Maps tokens (N, length) to logits (N * answers, n_tokens).

    References
    ----------
    R. Xiong et al. (2020), arXiv:2002.04745, table 1 (post, pre). J. Kim et al.
    (2025), arXiv:2502.02732 (peri). W. Sun et al. (2025), arXiv:2502.05795 (scaled).

    Examples
    --------
    >>> net = transformer(5, 3, rng=0)
    >>> net.forward(np.zeros((4, 3))).shape
    (12, 5)
    """
    choice("placement", placement, PLACEMENTS)
    rng = generator(rng)
    make = norm if callable(norm) else lambda n: norm_layer(norm, n)
    options = dict(qk_norm=qk_norm, rotary=rotary, gain=gain)
    layers = [Embedding(n_tokens, width, length, not rotary, rng=rng)]
    for block in range(1, integer("blocks", blocks) + 1):
        for branch in (
            [Attention(width, heads, length, **options, rng=rng)],
            [
                Linear(width, 2 * width, init="he", rng=rng),
                ReLU(),
                Linear(2 * width, width, init="lecun", gain=gain, rng=rng),
            ],
        ):
            layers.append(_residual(branch, placement, make, width, block))
    if placement not in ("post", "none"):
        layers.append(make(width))
    layers.append(LastTokens(length, length if answers is None else answers))
    layers.append(Linear(width, n_tokens, init="lecun", rng=rng))
    return Network(layers)


def _residual(branch, placement, make, width, block):
    if placement == "none":
        return Residual(branch)
    if placement == "peri":
        return Residual(branch, make(width), out_norm=make(width))
    if placement == "scaled":
        return Residual(branch, make(width), scale=1 / np.sqrt(block))
    return Residual(branch, make(width), placement)


def token_loss(logits, answers):
    """Return the cross-entropy of logits (N * A, n) for answers (N, A), in nats.

    Examples
    --------
    >>> loss, _ = token_loss(np.zeros((2, 4)), np.array([[0, 3]]))
    >>> round(float(loss), 4)
    1.3863
    """
    answers = as_array("answers", answers)
    check_integers("answers", answers)
    return softmax_cross_entropy(logits, answers.reshape(*answers.shape[:-2], -1))


class Adam:
    """Adam: steps of a size that does not depend on that of the gradient.

    Parameters
    ----------
    net : Network
        Whose parameters it moves.
    lr : float or ndarray of shape (K,)
        Learning rate; one per network if there are K.

    References
    ----------
    D. Kingma and J. Ba (2014), arXiv:1412.6980, algorithm 1, with its defaults.

    Examples
    --------
    >>> net = Network([Linear(1, 2, bias=False, rng=0)])
    >>> net.params[...], net.grads[...] = 1.0, [8.0, -0.2]
    >>> Adam(net, 0.1).step()
    >>> net.params.round(6)
    array([0.9, 1.1])
    """

    def __init__(self, net, lr):
        network("net", net)
        self.net = net
        each = () if net.networks is None else (net.networks,)
        lr = check_rate("lr", lr, net.dtype, [(), each])
        self.lr = lr if lr.ndim == 0 else lr[:, None]
        self.m, self.v = np.zeros_like(net.params), np.zeros_like(net.params)
        self.steps = 0

    def step(self, share=1.0):
        """Move the parameters once; `share` of the learning rate (for warm-up)."""
        share = number("share", share, minimum=0)
        self.steps += 1
        grads = self.net.grads
        self.m += 0.1 * (grads - self.m)
        self.v += 0.001 * (grads * grads - self.v)
        m = self.m / (1 - 0.9**self.steps)
        v = self.v / (1 - 0.999**self.steps)
        self.net.params -= share * self.lr * m / (np.sqrt(v) + 1e-8)

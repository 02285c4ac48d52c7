"""RMS norm in place of layer norm in a whole transformer, exactly."""

import numpy as np

from normlib._arguments import choice
from normlib.nets.layers import Residual
from normlib.nets.network import Network
from normlib.nets.norm_layers import LayerNorm, RMSNorm
from normlib.nets.probing import check_single
from normlib.nets.transformer import Attention, Embedding
from normlib.sphere.folding import centre_writing_weights, fold_layer_norm

WRITERS = ("token table", "place table", "attention", "feed-forward")


def with_rms_norm(net, centred=WRITERS, centre=None):
    """Rewrite a pre-norm transformer so that it needs no layer norm.

    First gamma and beta of every layer norm go into the maps that read it; then
    what writes to the stream is centred; then every layer norm becomes RMS norm.

    Parameters
    ----------
    net : Network
        A single transformer with ``placement="pre"`` and ``norm="layer"``.
    centred : collection of str
        Which of `WRITERS` are centred. All of them, or it is another function.
    centre : callable, optional
        From ``(weight, bias)`` to those that write vectors of mean 0; default
        `centre_writing_weights`.

    Returns
    -------
    Network
        A new one, with RMS norms whose gamma is 1.

    Examples
    --------
    >>> from normlib.transformers.task import reversed_words, reverser
    >>> net, (tokens, _) = reverser(0, blocks=1), reversed_words(3, rng=0)
    >>> rewritten = with_rms_norm(net)
    >>> bool(np.allclose(net.forward(tokens), rewritten.forward(tokens)))
    True
    """
    check_single(net)
    for name in (centred,) if isinstance(centred, str) else centred:
        choice("centred", name, WRITERS)
    blocks = [layer for layer in net.layers if isinstance(layer, Residual)]
    if not all(isinstance(block.norm, LayerNorm) for block in blocks) or not any(
        isinstance(layer, LayerNorm) for layer in net.layers
    ):
        raise ValueError(
            'net must be a transformer with placement="pre" and norm="layer", got '
            f"{net.layers!r:.80}"
        )
    centre = centre or centre_writing_weights
    net = net.__copy__()
    for layer in net.layers:
        if isinstance(layer, Embedding):
            for name, what in (("token", "token table"), ("place", "place table")):
                if what in centred:
                    table = layer.params[name]
                    table[...] = centre(table, np.zeros(table.shape[1]))[0]
        if isinstance(layer, Residual):
            first, last = layer.branch[0], layer.branch[-1]
            attention = isinstance(first, Attention)
            readers = [first.query, first.key, first.value] if attention else [first]
            writer = last.out if attention else last
            for reader in readers:
                _fold(reader, layer.norm)
            if ("attention" if attention else "feed-forward") in centred:
                params = writer.params
                new = centre(params["weight"].copy(), params["bias"].copy())
                params["weight"][...], params["bias"][...] = new
    final = next(k for k, la in enumerate(net.layers) if isinstance(la, LayerNorm))
    _fold(net.layers[-1], net.layers[final])
    return Network([_with_rms(layer) for layer in net.layers])


def _fold(reader, norm):
    params, gamma_beta = reader.params, norm.params
    folded = fold_layer_norm(params["weight"], params["bias"], **gamma_beta)
    params["weight"][...], params["bias"][...] = folded


def _with_rms(layer):
    if isinstance(layer, LayerNorm):
        return RMSNorm(layer.n, eps=layer.eps)
    if isinstance(layer, Residual):
        return Residual(layer.branch, RMSNorm(layer.norm.n, eps=layer.norm.eps))
    return layer

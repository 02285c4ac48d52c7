"""What of layer norm vanishes into the linear maps around it.

A weight has shape (n_in, n_out) and acts as ``y = x @ weight + bias``.
"""

from normlib._arguments import float_array, vector


def fold_layer_norm(weight, bias=None, gamma=None, beta=None):
    """Fold gamma and beta of layer or RMS norm into the linear map after it.

    Parameters
    ----------
    weight : ndarray of shape (n_in, n_out)
        Linear weight that reads the output of the norm.
    bias : ndarray of shape (n_out,), optional
        Its bias; default 0.
    gamma, beta : ndarray of shape (n_in,), optional
        Scale and shift of the norm; default 1 and 0.

    Returns
    -------
    weight : ndarray of shape (n_in, n_out)
        ``diag(gamma) weight``.
    bias : ndarray of shape (n_out,)
        ``bias + beta weight``.

    Notes
    -----
    Only gamma and beta go: the division by the standard deviation of each
    vector is not linear and stays.

    References
    ----------
    Nanda, Bloom 2022, TransformerLens, further_comments.md, "What is LayerNorm
    Folding?".

    Examples
    --------
    >>> import numpy as np
    >>> weight, gamma, beta = np.array([[1.0], [2.0]]), np.full(2, 3.0), np.ones(2)
    >>> fold_layer_norm(weight, None, gamma, beta)
    (array([[3.],
           [6.]]), array([3.]))
    """
    weight = float_array("weight", weight, ndim=2)
    n_in = weight.shape[0]
    gamma = vector("gamma", gamma, n_in, 1.0, weight.dtype)
    beta = vector("beta", beta, n_in, 0.0, weight.dtype)
    return gamma[:, None] * weight, vector(
        "bias", bias, weight.shape[1], 0.0, weight.dtype
    ) + beta @ weight


def centre_writing_weights(weight, bias=None):
    """Make what a linear map writes sum to 0 over its output features.

    Parameters
    ----------
    weight : ndarray of shape (n_in, n_out)
        Weight that writes to the residual stream; an embedding table of shape
        (n_tokens, n_out) is one too.
    bias : ndarray of shape (n_out,), optional
        Its bias; default 0.

    Returns
    -------
    weight : ndarray of shape (n_in, n_out)
        Each row sums to 0.
    bias : ndarray of shape (n_out,)
        Sums to 0.

    Notes
    -----
    If everything written to a stream has mean 0 the stream has mean 0, and
    layer norm of it equals RMS norm. What layer norm reads is unchanged, since
    it subtracts the mean anyway.

    References
    ----------
    Nanda, Bloom 2022, TransformerLens, further_comments.md.

    Examples
    --------
    >>> import numpy as np
    >>> centre_writing_weights(np.array([[1.0, 3.0]]), np.array([0.0, 4.0]))
    (array([[-1.,  1.]]), array([-2.,  2.]))
    """
    weight = float_array("weight", weight, ndim=2)
    bias = vector("bias", bias, weight.shape[1], 0.0, weight.dtype)
    return weight - weight.mean(axis=1, keepdims=True), bias - bias.mean()

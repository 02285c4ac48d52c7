"""Reference values of the norms, made with PyTorch.

    python tests/torch_reference.py

writes tests/data/torch_reference.npz, once, with PyTorch 2.13. PyTorch is no
dependency of the project: the tests read the file, and compare live where PyTorch
is installed. The inputs are in the file too, so nothing hangs on a random stream.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "data" / "torch_reference.npz"

# name: (norm, shape of x, shape of gamma, options of normlib's function)
CASES = {
    "batch_nd": ("batch", (6, 5), (5,), {}),
    "batch_ntd": ("batch", (3, 4, 5), (5,), {}),
    "batch_nchw": ("batch", (3, 4, 2, 5), (4,), {"eps": 0.1}),
    "layer_nd": ("layer", (6, 5), (5,), {}),
    "layer_token": ("layer", (3, 4, 5), (5,), {"axes": -1}),
    "layer_sample": ("layer", (3, 4, 5), (4, 5), {"axes": (1, 2), "eps": 0.1}),
    "layer_image": ("layer", (3, 4, 2, 5), (4, 2, 5), {"axes": (1, 2, 3)}),
    "instance_nchw": ("instance", (3, 4, 2, 5), (4,), {}),
    "instance_ntd": ("instance", (3, 4, 5), (5,), {"eps": 0.1}),
    "group_nd": ("group", (3, 6), (6,), {"num_groups": 2}),
    "group_ntd": ("group", (3, 4, 6), (6,), {"num_groups": 3}),
    "group_nchw": ("group", (3, 6, 2, 4), (6,), {"num_groups": 2, "eps": 0.1}),
    "rms_nd": ("rms", (6, 5), (5,), {}),
    "rms_sample": ("rms", (3, 4, 5), (4, 5), {"axes": (1, 2), "eps": 0.1}),
}
# The float32 cases, whose error is compared with that of PyTorch.
FLOAT32 = {
    "batch": ((32, 24), (24,), {}),
    "layer": ((24, 32), (32,), {}),
    "instance": ((2, 6, 8, 8), (6,), {}),
    "group": ((2, 6, 8, 8), (6,), {"num_groups": 2}),
    "rms": ((24, 32), (32,), {}),
}
OFFSETS = (0.0, 1.0, 100.0, 1e4)  # mean of x, in standard deviations


def random_inputs(rng, shape, parameter_shape, offset=0.5, dtype=np.float64):
    """Return x, gamma, beta and a random upstream gradient."""
    x = 2 * (rng.normal(size=shape) + offset)
    gamma, beta = rng.normal(size=(2, *parameter_shape))
    dy = rng.normal(size=shape)
    return [a.astype(dtype) for a in (x, gamma, beta, dy)]


def torch_results(norm, x, gamma, beta, dy, options):
    """Return y, dx, dgamma and dbeta of PyTorch, in normlib's layout."""
    import torch

    tensors = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    y = _torch_forward(norm, *tensors, **options)
    y.backward(torch.tensor(dy))
    gradients = [
        np.zeros(t.shape, x.dtype) if t.grad is None else t.grad.numpy()
        for t in tensors
    ]
    return [y.detach().numpy(), *gradients]


def _torch_forward(norm, x, gamma, beta, *, eps=1e-5, axes=(-1,), num_groups=None):
    import torch.nn.functional as F

    if norm in ("layer", "rms"):
        axes = (axes,) if isinstance(axes, int) else axes
        shape = [x.shape[axis] for axis in axes]
        if norm == "rms":
            return F.rms_norm(x, shape, gamma, eps)
        return F.layer_norm(x, shape, gamma, beta, eps)
    # PyTorch has the channels on axis 1, also for (N, C, T).
    channels_first = x.transpose(1, 2) if x.ndim == 3 else x
    if norm == "batch":
        y = F.batch_norm(channels_first, None, None, gamma, beta, True, 0.1, eps)
    elif norm == "instance":
        y = F.instance_norm(channels_first, None, None, gamma, beta, True, 0.1, eps)
    else:
        y = F.group_norm(channels_first, num_groups, gamma, beta, eps)
    return y.transpose(1, 2) if x.ndim == 3 else y


def torch_weight_norm(v, g, dw):
    """Return w, dv and dg of PyTorch's weight norm over the rows of v."""
    import torch

    v, g = torch.tensor(v, requires_grad=True), torch.tensor(g, requires_grad=True)
    w = torch._weight_norm(v, g[:, None], 0)
    w.backward(torch.tensor(dw))
    return [w.detach().numpy(), v.grad.numpy(), g.grad.numpy()]


def torch_running(batches, momentum):
    """Return PyTorch's running mean and variance, and y of batch 0 at inference."""
    import torch

    layer = torch.nn.BatchNorm1d(batches.shape[2], momentum=momentum)
    layer = layer.to(torch.float64)
    for batch in torch.tensor(batches):
        layer(batch)
    layer.eval()
    y = layer(torch.tensor(batches[0])).detach().numpy()
    return [layer.running_mean.numpy(), layer.running_var.numpy(), y]


def main():
    import torch

    rng = np.random.default_rng(0)
    out = {"torch_version": np.array(torch.__version__.split("+")[0])}
    names = ("x", "gamma", "beta", "upstream", "y", "dx", "dgamma", "dbeta")

    def keep(key, norm, inputs, options):
        results = torch_results(norm, *inputs, options)
        for name, array in zip(names, [*inputs, *results], strict=True):
            out[f"{key}/{name}"] = array

    for key, (norm, shape, parameter_shape, options) in CASES.items():
        keep(key, norm, random_inputs(rng, shape, parameter_shape), options)
    for norm, (shape, parameter_shape, options) in FLOAT32.items():
        for offset in OFFSETS:
            inputs = random_inputs(rng, shape, parameter_shape, offset, np.float32)
            keep(f"float32/{norm}/{offset:g}", norm, inputs, options)
    v, g, dw = rng.normal(size=(3, 4)), rng.normal(size=3), rng.normal(size=(3, 4))
    results = torch_weight_norm(v, g, dw)
    weight_names = ("v", "g", "upstream", "w", "dv", "dg")
    for name, array in zip(weight_names, [v, g, dw, *results], strict=True):
        out[f"weight/{name}"] = array
    batches = rng.normal(size=(5, 8, 3)) * [1, 2, 3] + [4, 5, 6]
    out["running/batches"] = batches
    for momentum in (0.1, None):
        results = torch_running(batches, momentum)
        for name, array in zip(("mean", "var", "y"), results, strict=True):
            out[f"running/{momentum}/{name}"] = array
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **out)


if __name__ == "__main__":
    main()

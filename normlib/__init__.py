"""Normalization in neural networks: the maths of the notebooks, in pure numpy.

``import normlib`` loads neither matplotlib nor ipywidgets; the live figures
stand apart in ``normlib.live``.
"""

from normlib.norms import (
    batch_norm,
    batch_norm_backward,
    batch_norm_inference,
    group_norm,
    group_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
    rms_norm,
    rms_norm_backward,
    standardize,
    standardize_backward,
    weight_norm,
    weight_norm_backward,
)

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "rms_norm",
    "rms_norm_backward",
    "standardize",
    "standardize_backward",
    "weight_norm",
    "weight_norm_backward",
]

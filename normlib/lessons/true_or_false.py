"""Lesson of notebook 13: what is often said of norms, as cards that code decides."""

import numpy as np

from normlib import (
    batch_norm,
    batch_norm_backward,
    batch_norm_inference,
    group_norm,
    instance_norm,
    layer_norm,
    layer_norm_backward,
    rms_norm,
    weight_norm,
    weight_norm_backward,
)
from normlib.axes import count_sets, index_sets, parameter_shape
from normlib.batch.two_parametrizations import undone_batch_norm
from normlib.batch.variance import one_pass_variance
from normlib.covariate_shift.frozen_weights import frozen_weights
from normlib.covariate_shift.noisy_batch_norm import noisy_run
from normlib.lessons.lesson import Card, Lesson
from normlib.nets.digits_network import digits_network
from normlib.nets.layers import Linear, ReLU, Residual
from normlib.nets.norm_layers import BatchNorm, LayerNorm
from normlib.nets.training import loss_and_gradient, sgd_step
from normlib.nets.transformer import rotate
from normlib.nets.watching import gather
from normlib.running import weight_of_new

IMAGES = (8, 6, 4, 4)


def data(*shape, seed=0):
    """Return Gaussian numbers of mean 2 and standard deviation 3."""
    return np.random.default_rng(seed).normal(2.0, 3.0, size=shape)


def lengths(x):
    """Return the length of each row."""
    return np.linalg.norm(x, axis=-1)


# ---- which numbers share a mean ------------------------------------------


def _one_mean_per_image():
    return count_sets("layer", IMAGES, axes=1) == IMAGES[0]


def _group_one_differs_in_gamma_only():
    x = data(*IMAGES)
    same = np.allclose(group_norm(x, 1)[0], layer_norm(x, axes=(1, 2, 3))[0])
    group = parameter_shape("group", IMAGES, num_groups=1)
    return same and group != parameter_shape("layer", IMAGES, axes=(1, 2, 3))


def _two_groups_hold_two_channels():
    labels = index_sets("group", IMAGES, num_groups=2)
    members = labels == labels[0, 0, 0, 0]
    return members.any(axis=(0, 2, 3)).sum() == 2


def _turned_table():
    x = data(6, 5)
    return np.allclose(layer_norm(x)[0], batch_norm(x.T)[0].T)


def _gamma_per_feature():
    return parameter_shape("batch", (32, 10)) == (10,)


def _mean_of_variances():
    x = data(3, 7)
    return np.isclose(x.var(), x.var(axis=1).mean())


def _one_pixel_maps_stay():
    try:
        y = instance_norm(data(4, 3, 1, 1))[0]
    except ValueError:
        return False
    return np.allclose(y, data(4, 3, 1, 1))


# ---- the arithmetic --------------------------------------------------------


def _only_the_radius_changes():
    x = data(9, 8)
    centred = x - x.mean(axis=1, keepdims=True)
    y = layer_norm(x, eps=0)[0], centred / x.std(axis=1, ddof=1, keepdims=True)
    unit = [one / lengths(one)[:, None] for one in y]
    return np.allclose(*unit) and not np.allclose(*map(lengths, y))


def _eps_anywhere():
    x = 1e-3 * data(20, 1)
    inside = batch_norm(x, eps=1e-5)[0]
    outside = (x - x.mean()) / (x.std() + 1e-5)
    return np.allclose(inside, outside, rtol=0.1)


def _one_pass_is_fine():
    x = np.float32(data(1000) + 1e5)
    return np.isclose(one_pass_variance(x), x.astype(float).var(), rtol=0.1)


def _variance_divides_to_one_over_std():
    x = data(100, 4)
    y = (x - x.mean(axis=0)) / x.var(axis=0)
    return np.allclose(y.std(axis=0), 1 / x.std(axis=0))


def _one_sample_is_enough():
    try:
        batch_norm(data(1, 5))
    except ValueError:
        return False
    return True


def _two_samples_keep_their_order_only():
    near, far = np.array([[0.0], [1.0]]), np.array([[0.0], [100.0]])
    results = [batch_norm(x)[0] for x in (near, far)]
    return all(np.allclose(y, [[-1], [1]], atol=1e-4) for y in results)


def _whitens():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 2)) @ np.array([[1.0, 0.9], [0.0, 0.5]])
    return abs(np.corrcoef(batch_norm(x)[0].T)[0, 1]) < 0.1


# ---- training and evaluation ----------------------------------------------


def _momentum_means_one_thing():
    weights = [weight_of_new(0.1, library) for library in ("pytorch", "keras")]
    running = np.zeros(2)
    for value in data(50):
        running += weights * (value - running)
    return np.isclose(*running)


def _averaged_deviations_are_too_small():
    batches = data(20_000, 4)
    root = np.sqrt(batches.var(axis=1).mean())
    return batches.std(axis=1).mean() < 0.97 * root


def _running_statistics_ignore_the_batch():
    x, others = data(1, 5), data(7, 5, seed=1)
    mean, var = data(5, seed=2), np.abs(data(5, seed=3))
    together = batch_norm_inference(np.vstack([x, others]), mean, var)
    return np.allclose(together[:1], batch_norm_inference(x, mean, var))


def _no_gradient_is_evaluation():
    net, digits, _ = digits_network(0, "batch", depth=2, width=16)
    x = digits.x_test[:32]
    forward_only = net.forward(x)  # no gradient is computed anywhere
    with net.in_mode("eval"):
        return np.allclose(forward_only, net.forward(x))


def _frozen_gamma_leaves_the_statistics():
    layer = BatchNorm(5)
    layer.trainable = False
    before = layer.buffers["running_mean"].copy()
    layer.forward(data(16, 5))
    return not np.allclose(before, layer.buffers["running_mean"])


def _tracked_instance_norm_is_another():
    x = data(16, 3, 5, 5) * np.arange(1, 17).reshape(-1, 1, 1, 1)
    mean, var = x.mean(axis=(2, 3)).mean(axis=0), x.var(axis=(2, 3)).mean(axis=0)
    tracked = batch_norm_inference(x, mean, var)
    spreads = [y.std(axis=(2, 3)) for y in (instance_norm(x)[0], tracked)]
    return np.allclose(spreads[0], 1, atol=0.01) and np.ptp(spreads[1]) > 1


def _dropout_enlarges_the_variance():
    x = data(5000, 4)
    kept = np.random.default_rng(1).random(x.shape) < 0.5
    return ((x * kept / 0.5).var(axis=0) > 1.5 * x.var(axis=0)).all()


# ---- gradients -------------------------------------------------------------


def _bias_gradient(norm, backward):
    y, cache = norm(data(12, 6))
    dy = np.random.default_rng(5).normal(size=y.shape)
    return backward(dy, cache)[0].sum(axis=0)


def _bias_is_redundant_before_layer_norm():
    batch = _bias_gradient(batch_norm, batch_norm_backward)
    layer = _bias_gradient(layer_norm, layer_norm_backward)
    return np.allclose(batch, 0, atol=1e-9) and np.allclose(layer, 0, atol=1e-9)


def _ones_notice():
    y, cache = batch_norm(data(12, 6))
    dx = batch_norm_backward(np.ones_like(y), cache)[0]
    return not np.allclose(dx, 0, atol=1e-9)


def _halved_weights_compute_the_same():
    x, w = data(20, 6), data(6, 4, seed=1)
    return np.allclose(batch_norm(x @ w, eps=0)[0], batch_norm(x @ w / 2, eps=0)[0])


def _undone_learns_the_same():
    net, digits, _ = digits_network(0, depth=2, width=16)
    x, labels = digits.x_train[:200], digits.y_train[:200]
    other = undone_batch_norm(net, x)
    for one in (net, other):
        for _ in range(3):
            loss_and_gradient(one, x, labels)
            sgd_step(one, 0.1)
    return np.allclose(net.forward(x), other.forward(x), atol=1e-3)


def _v_grows():
    rng = np.random.default_rng(0)
    v, g = rng.normal(size=(3, 5)), np.ones(3)
    v /= lengths(v)[:, None]
    _, cache = weight_norm(v, g)
    dv, _ = weight_norm_backward(rng.normal(size=(3, 5)), cache)
    return (lengths(v - 0.5 * dv) > 1).all()


# ---- geometry --------------------------------------------------------------


def _every_factor_is_ignored():
    x = data(9, 6)
    return np.allclose(layer_norm(x, eps=0)[0], layer_norm(-2 * x, eps=0)[0])


def _unit_sphere():
    return np.allclose(lengths(layer_norm(data(9, 6), eps=0)[0]), 1)


def _a_matrix_will_do():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 8)) * rng.uniform(0.2, 4, size=(2000, 1))
    y = layer_norm(x)[0]
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    return np.linalg.norm(x @ best - y) < 0.05 * np.linalg.norm(y)


def _rms_is_layer_norm():
    x = data(50, 8) + 20
    return np.allclose(rms_norm(x)[0], layer_norm(x)[0], atol=0.1)


# ---- why it helps ----------------------------------------------------------


def _noise_ruins_it():
    settings = dict(steps=60, test_every=60, width=32, seed=3)
    noisy = gather(noisy_run("batch", True, **settings)).accuracy[-1]
    plain = gather(noisy_run(None, False, **settings)).accuracy[-1]
    return noisy <= plain


def _different_batches_shift():
    return bool(gather(frozen_weights(0.0, batches=10)).shift.any())


def _slope(net):
    grads = [g for layer in net.layers for g in getattr(layer, "grads", {}).values()]
    return np.sqrt(sum((g**2).sum() for g in grads))


def _flattest_trains_best():
    """Compare the slope of a dead network with that of one that can learn."""
    slopes, losses = [], []
    for norm in (None, "batch"):
        net, digits, _ = digits_network(
            0, norm, activation="sigmoid", depth=6, width=32
        )
        x, labels = digits.x_train[:500], digits.y_train[:500]
        for step in range(30):
            loss = loss_and_gradient(net, x, labels)
            if step == 0:
                slopes.append(_slope(net))
            sgd_step(net, 0.3)
        losses.append(loss)
    return np.argmin(slopes) == np.argmin(losses)


# ---- sequences and transformers ---------------------------------------------


def _one_length_is_needed():
    """Normalize each step over the sequences that reach it, at least two."""
    x = data(20, 8, 4)
    reach = np.append([8, 8], np.random.default_rng(0).integers(3, 9, size=18))
    spreads = [batch_norm(x[reach > t, t])[0].std(axis=0) for t in range(8)]
    return not np.allclose(spreads, 1, atol=0.01)


def _one_layer_norm_in_an_lstm():
    a, b = data(9, 6), 4 * data(9, 6, seed=1)
    sum_first = layer_norm(a + b)[0]
    norm_first = layer_norm(a)[0] + layer_norm(b)[0]
    return np.allclose(sum_first, norm_first, atol=0.1)


def _stream(position):
    """Return the standard deviation of a stream after 16 random blocks."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 32))
    for _ in range(16):
        branch = [Linear(32, 32, rng=rng), ReLU(), Linear(32, 32, rng=rng)]
        x = Residual(branch, LayerNorm(32), position).forward(x)
    return x.std()


def _post_keeps_the_size():
    pre, post = _stream("pre"), _stream("post")
    return np.isclose(post, 1, atol=0.01) and pre > 2


def _rms_commutes_with_rotation():
    q = data(7, 8)
    return np.allclose(rotate(rms_norm(q)[0]), rms_norm(rotate(q))[0])


def _heads_or_all():
    q = data(5, 4, 8) * np.arange(1, 5).reshape(1, 4, 1)
    per_head = rms_norm(q)[0]
    flat = rms_norm(q.reshape(5, 32))[0].reshape(5, 4, 8)
    return np.allclose(per_head, flat, atol=0.1)


def _rsqrt_of_the_mean_gives_length_root_n():
    x = data(9, 16)
    y = x / np.sqrt((x**2).mean(axis=-1, keepdims=True))
    return np.allclose(y, rms_norm(x, eps=0)[0]) and np.allclose(lengths(y), 4)


def _peri_normalizes_the_sum():
    rng = np.random.default_rng(0)
    branch = [Linear(8, 8, rng=rng), ReLU(), Linear(8, 8, rng=rng)]
    x = data(6, 8)
    y = Residual(branch, LayerNorm(8), out_norm=LayerNorm(8)).forward(x)
    return np.allclose(y, layer_norm(y)[0], atol=0.1)


SETS = "which numbers share a mean"
SUMS = "the arithmetic"
MODES = "training and evaluation"
BACK = "gradients"
SPHERE = "geometry"
WHY = "why it helps"
STREAM = "sequences and transformers"

CARDS = {
    "M1": Card(
        "Layer norm on images always has one mean per image.",
        _one_mean_per_image,
        "Over `(C, H, W)` it has; over `C` alone it has one per position. Say which.",
        SETS,
        "02",
    ),
    "M2": Card(
        "GroupNorm with one group is LayerNorm over `(C, H, W)`, but for gamma and "
        "beta.",
        _group_one_differs_in_gamma_only,
        "The statistics agree. Group norm has one gamma per channel, layer norm one "
        "per entry.",
        SETS,
        "02",
    ),
    "M3": Card(
        "Group norm with 2 groups takes a mean over 2 channels.",
        _two_groups_hold_two_channels,
        "2 is the number of groups, not their size: with 6 channels each holds 3.",
        SETS,
        "02",
    ),
    "M33": Card(
        "Layer norm of a table is batch norm of the turned table, turned back.",
        _turned_table,
        "`x[i]` counts features in one paper and samples in the other; the arithmetic "
        "is the same.",
        SETS,
        "02",
    ),
    "M34": Card(
        "For a batch of shape (32, 10), batch norm learns a gamma of shape (10,).",
        _gamma_per_feature,
        "One per feature, the same for every sample and every batch.",
        SETS,
        "02",
    ),
    "M29": Card(
        "The variance of a table is the mean of the variances of its rows.",
        _mean_of_variances,
        "The variance of the row means is missing.",
        SETS,
        "02",
    ),
    "M12": Card(
        "Instance norm leaves feature maps of one pixel as they are.",
        _one_pixel_maps_stay,
        "One number equals its own mean, so the result would be 0. normlib refuses.",
        SETS,
        "02",
    ),
    "M4": Card(
        "1/(n-1) in place of 1/n changes the length of layer norm's result, and not "
        "its direction.",
        _only_the_radius_changes,
        "The radius becomes the root of n - 1.",
        SUMS,
        "06",
    ),
    "M7": Card(
        "It makes no difference whether eps stands inside the root or outside, however "
        "small the data's spread.",
        _eps_anywhere,
        "For a standard deviation of 1 none that one sees; near the root of eps a "
        "large one.",
        SUMS,
        "03",
    ),
    "M8": Card(
        "In float32, `mean(x**2) - mean(x)**2` is as good as subtracting the mean "
        "first.",
        _one_pass_is_fine,
        "Far from 0 two large numbers are subtracted, and their rounding is left.",
        SUMS,
        "03",
    ),
    "M9": Card(
        "Subtract the mean, divide by the variance: the result has standard deviation "
        "1 / std.",
        _variance_divides_to_one_over_std,
        "The variance has the square of the unit. Its root brings the result to 1.",
        SUMS,
        "01",
    ),
    "M10": Card(
        "A dense layer with batch norm can be trained with one sample per batch.",
        _one_sample_is_enough,
        "A sample equals the mean of its batch of one, so nothing of it is left. "
        "normlib, like PyTorch, refuses.",
        SUMS,
        "03",
    ),
    "M11": Card(
        "With two samples, batch norm tells only which of the two is larger.",
        _two_samples_keep_their_order_only,
        "The results are +1 and -1 whatever the distance.",
        SUMS,
        "03",
    ),
    "M21": Card(
        "Batch norm removes the correlation between features.",
        _whitens,
        "It looks at one feature at a time. Removing correlations is whitening.",
        SUMS,
        "01",
    ),
    "M5": Card(
        "A momentum of 0.1 means the same in every library.",
        _momentum_means_one_thing,
        "In PyTorch it weights the new value, in Keras the old one.",
        MODES,
        "04",
    ),
    "M6": Card(
        "The average of the batches' standard deviations is smaller than the root of "
        "their averaged variances.",
        _averaged_deviations_are_too_small,
        "The mean of roots lies below the root of the mean. For batches of 4 one sees "
        "it. So average variances.",
        MODES,
        "04",
    ),
    "M13a": Card(
        "With running statistics, a sample gets the same result in any batch.",
        _running_statistics_ignore_the_batch,
        "They are constants. With the statistics of the batch it would not.",
        MODES,
        "04",
    ),
    "M13": Card(
        "Computing no gradients puts batch norm into evaluation mode.",
        _no_gradient_is_evaluation,
        "The mode is a switch of its own: `no_grad` is not `eval()`.",
        MODES,
        "04",
    ),
    "M14": Card(
        "A batch norm layer whose gamma and beta are frozen still changes.",
        _frozen_gamma_leaves_the_statistics,
        "Its running statistics move with every batch. There are three switches.",
        MODES,
        "04",
    ),
    "M15": Card(
        "Instance norm that uses tracked statistics in evaluation leaves the images' "
        "different contrasts in.",
        _tracked_instance_norm_is_another,
        "Then it works as batch norm does there: one mean and one variance for all "
        "images.",
        MODES,
        "04",
    ),
    "M35": Card(
        "Dropout before batch norm enlarges the variance that batch norm sees.",
        _dropout_enlarges_the_variance,
        "It keeps the mean, but not the variance, and in training only. The running "
        "variance is then too large for evaluation.",
        MODES,
        "04",
    ),
    "M16": Card(
        "A bias before a norm is redundant, before batch norm and before layer norm.",
        _bias_is_redundant_before_layer_norm,
        "Batch norm takes it away: its gradient is 0. Layer norm subtracts one mean "
        "over all features, so a bias that differs between them stays.",
        BACK,
        "03",
    ),
    "M32": Card(
        "Checking the backward of batch norm with dy = 1 finds a backward that always "
        "returns 0.",
        _ones_notice,
        "The sum of the results is constant, so 0 is right for this dy. Use random dy.",
        BACK,
        "05",
    ),
    "M30": Card(
        "Halving all weights before a batch norm changes nothing that the network "
        "computes.",
        _halved_weights_compute_the_same,
        "The norm divides the factor away. What changes is how large a step is for "
        "these weights.",
        BACK,
        "05",
    ),
    "M25": Card(
        "Gamma and beta can undo batch norm, so it changes nothing.",
        _undone_learns_the_same,
        "Two networks compute the same function, and part after three steps: their "
        "gradients differ.",
        BACK,
        "03",
    ),
    "M31": Card(
        "In weight norm no step of plain gradient descent makes v shorter.",
        _v_grows,
        "Its gradient is orthogonal to it. v is no unit vector.",
        BACK,
        "11",
    ),
    "M17": Card(
        "Layer norm gives the same for x and a x, for every a other than 0.",
        _every_factor_is_ignored,
        "Only for a > 0. A negative factor turns the result around.",
        SPHERE,
        "06",
    ),
    "M18": Card(
        "Layer norm puts every point on the unit sphere.",
        _unit_sphere,
        "The radius is the root of n, and only the slice of mean 0 is reached.",
        SPHERE,
        "06",
    ),
    "M19": Card(
        "Layer norm can be folded into a weight matrix, up to five percent.",
        _a_matrix_will_do,
        "Gamma and beta can be. The division by each vector's own spread cannot, as "
        "soon as spreads differ.",
        SPHERE,
        "06",
    ),
    "M20": Card(
        "RMS norm gives nearly what layer norm gives, whatever the mean.",
        _rms_is_layer_norm,
        "A large common mean is left in and swamps the rest. With mean 0 they agree.",
        SPHERE,
        "06",
    ),
    "M22": Card(
        "Noise that makes the inputs of the layers unstable takes the gain of batch "
        "norm away.",
        _noise_ruins_it,
        "On this network the noisy one still learns faster than the one without norm. "
        "So stable inputs are not needed.",
        WHY,
        "08",
    ),
    "M23": Card(
        "Batches that differ from each other are internal covariate shift.",
        _different_batches_shift,
        "With frozen weights batches differ as ever, and the shift is exactly 0.",
        WHY,
        "08",
    ),
    "M24": Card(
        "Of two networks the one with the flatter loss trains better.",
        _flattest_trains_best,
        "A dead network is flattest of all. Never quote smoothness without the loss.",
        WHY,
        "09",
    ),
    "M26": Card(
        "Batch norm needs sequences of one length.",
        _one_length_is_needed,
        "Each step can take its mean over the sequences that reach it. That mean gets "
        "noisy where few do.",
        STREAM,
        "10",
    ),
    "M27": Card(
        "In a recurrent network it makes no difference whether layer norm acts before "
        "or after the two inputs are added.",
        _one_layer_norm_in_an_lstm,
        "Before, both inputs get the same weight; after, the larger one wins.",
        STREAM,
        "10",
    ),
    "M28": Card(
        "In post-LN the residual stream keeps its size with depth, in pre-LN it grows.",
        _post_keeps_the_size,
        "Post-LN normalizes the sum itself.",
        STREAM,
        "12",
    ),
    "M36": Card(
        "RMS norm without gamma and rotary positions can change places.",
        _rms_commutes_with_rotation,
        "A rotation keeps the length, and RMS norm only divides by it.",
        STREAM,
        "12",
    ),
    "M37": Card(
        "Normalizing queries per head, or all heads at once, gives the same.",
        _heads_or_all,
        "Per head each gets the same size; at once large heads stay large.",
        STREAM,
        "12",
    ),
    "M38": Card(
        "Dividing 16 features by the root of `mean(x**2)` gives a vector of length 4.",
        _rsqrt_of_the_mean_gives_length_root_n,
        "The root of n, not 1. What one model calls L2 norm is RMS norm without gamma.",
        STREAM,
        "12",
    ),
    "M39": Card(
        "Peri-LN normalizes the sum of stream and branch.",
        _peri_normalizes_the_sum,
        "It is `x + N(F(N(x)))`: the branch is normalized, the sum is not.",
        STREAM,
        "12",
    ),
}

lesson = Lesson("13", questions={}, figures={}, exercises={}, cards=CARDS)

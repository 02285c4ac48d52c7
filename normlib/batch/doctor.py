"""Four networks, good in training mode and bad at evaluation, and four tests."""

from functools import lru_cache

import numpy as np

from normlib._arguments import choice, integer
from normlib.batch.running_lag import precise_statistics
from normlib.datasets import digits_split
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import mlp
from normlib.nets.training import accuracy, sgd_step

CAUSES = {
    "A": "eval() forgotten",
    "B": "no_grad is not eval()",
    "C": "momentum too small",
    "D": "unlike batches",
}


class Patient:
    """A network 64-32-32-10 of digits, trained for 150 steps of 32, and its history.

    Parameters
    ----------
    name : {"A", "B", "C", "D", "healthy"}
        A is evaluated in training mode, two images at a time. B was shown 20 batches
        of zeros in training mode after it was trained, without a gradient. C has
        momentum 0.001. D saw half of its batches at half, the others at three times
        the brightness, and is evaluated on both.
    seed : int
        Of the split, the weights and the batches.

    Attributes
    ----------
    net : Network
        As it was after the last step of training.

    Examples
    --------
    >>> patient = Patient("C")
    >>> patient.net.batch_norms()[0].momentum
    0.001
    """

    def __init__(self, name, seed=0):
        self.name = choice("name", name, ("A", "B", "C", "D", "healthy"))
        self.rng = np.random.default_rng(integer("seed", seed, minimum=0))
        self.digits = digits_split(self.rng)
        self.gains = (0.5, 3.0) if name == "D" else (1.0, 1.0)
        self.net = mlp([64, 32, 32, 10], norm="batch", rng=self.rng)
        for norm in self.net.batch_norms():
            norm.momentum = 0.001 if name == "C" else 0.1
        for step in range(150):
            x, labels = self.training_batch(step)
            _, dscores = softmax_cross_entropy(self.net.forward(x), labels)
            self.net.backward(dscores)
            sgd_step(self.net, 0.1)

    def training_batch(self, step):
        """Return 32 images and labels, made as in training."""
        rows = self.rng.choice(len(self.digits.x_train), 32, replace=False)
        gain = self.gains[step % 2]
        return gain * self.digits.x_train[rows], self.digits.y_train[rows]

    def training_accuracy(self):
        """Return the accuracy on 20 such batches, each by its own statistics."""
        batches = [self.training_batch(step) for step in range(20)]
        return np.mean([accuracy(self.net, *batch, mode="probe") for batch in batches])

    def until_evaluation(self):
        """Do what was done between training and evaluation."""
        if self.name == "B":
            for _ in range(20):
                self.net.forward(np.zeros((32, 64)))
        if self.name != "A":
            self.net.eval()

    def evaluation(self):
        """Return the accuracy on the test images, evaluated as this one is."""
        x, labels = self.digits.x_test, self.digits.y_test
        if self.name != "A":
            gains = dict.fromkeys(self.gains)
            return np.mean([accuracy(self.net, gain * x, labels) for gain in gains])
        pairs = self.rng.permutation(len(x)).reshape(-1, 2)
        right = [self.net.forward(x[p]).argmax(axis=1) == labels[p] for p in pairs]
        return np.mean(right)

    def scores(self, others):
        """Return the ten scores of test image 0 in a batch with `others`."""
        return self.net.forward(self.digits.x_test[[0, *others]])[0]


class Findings:
    """What the two accuracies and the four tests give for one patient.

    Attributes
    ----------
    training, evaluation : float
        Accuracy in training mode, and as the patient is evaluated.
    scores : ndarray of shape (2, 10)
        Test 1: the scores of one image in two batches.
    running : ndarray of shape (2, 32)
        Test 2: running means of the first layer after the last step of training, and
        after the evaluation; in running standard deviations of the former.
    precise : float
        Test 3: accuracy of the evaluation with precise statistics.
    batches : ndarray of shape (2, 32)
        Test 4: means of the units of the first layer over two batches in a row,
        in standard deviations of all training batches.
    unlikeness : float
        Test 4: variance of the batch means over that of 32 independent images, median
        over the units; 1 for batches drawn at random.
    """

    def __init__(self, name, seed):
        patient = Patient(name, seed)
        net = patient.net
        trained = net.state()
        self.training = patient.training_accuracy()
        first = net.batch_norms()[0].buffers
        before = first["running_mean"].copy(), np.sqrt(first["running_var"])
        patient.until_evaluation()
        ready = net.state()
        self.evaluation = patient.evaluation()
        after = first["running_mean"].copy()
        self.running = np.stack([before[0], after]) / before[1]
        net.load(ready)
        self.scores = np.stack([patient.scores([1]), patient.scores([2])])
        net.load(ready)
        images = [gain * patient.digits.x_train for gain in patient.gains]
        precise_statistics(net, np.concatenate(images))
        self.precise = patient.evaluation()
        net.load(trained)
        inputs = [
            net.layers[0].forward(patient.training_batch(k)[0]) for k in range(40)
        ]
        means = np.array([a.mean(axis=0) for a in inputs])
        var = np.mean([a.var(axis=0, ddof=1) for a in inputs], axis=0)
        self.batches = (means[:2] - means.mean(axis=0)) / np.sqrt(var)
        self.unlikeness = np.median(32 * means.var(axis=0, ddof=1) / var)

    @property
    def answers(self):
        """The tests as yes or no: answer moves, statistics move, mended, unlike."""
        return (
            bool(np.abs(np.diff(self.scores, axis=0)).max() > 1e-9),
            bool(np.abs(np.diff(self.running, axis=0)).max() > 1e-9),
            bool(self.precise > self.training - 0.05),
            bool(self.unlikeness > 2),
        )


@lru_cache(maxsize=128)
def examine(name, seed=0):
    """Return the findings of the tests for a patient, `Findings`."""
    return Findings(name, seed)

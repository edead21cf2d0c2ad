"""What `clinical_ner` learns from: the negative log-likelihood of tags, and its gradient."""

from typing import Tuple

import numpy
from numpy import ndarray

from .crf import N_SCORED, OUTSIDE, UNKNOWN
from .gold import Targets
from .modes import Mode


def chain_loss(
    scores: ndarray, lengths: ndarray, targets: Targets, mode: Mode, weights: ndarray, smoothing: float
) -> Tuple[float, ndarray]:
    """The loss of some documents' tokens, one behind the other.

    scores (ndarray): As the model gives them, (n_tokens, N_SCORED * n_labels).
    lengths (ndarray): The tokens of each document, (n_docs,).
    targets (Targets): What is annotated.
    mode (Mode): How scores are taken.
    weights (ndarray): Each label's factor on the gradient at its entities' tokens, (n_labels,).
    smoothing (float): What share of a token's target goes to the other tags, evenly.
    RETURNS (Tuple[float, ndarray]): The negative log-likelihood, without smoothing and weights, and the gradient of it with both, of the scores' shape.
    """
    tags, active = targets
    n_labels = len(weights)
    given, log_all = mode.marginals(scores, lengths, active=active)
    wished, log_known = mode.marginals(scores, lengths, active=active, tags=tags)
    # The gradient of a log-linear model: expected less observed counts (Sutton and McCallum 2012, section 5.1).
    wished += smoothing * ((1 - wished) / (N_SCORED * (n_labels if mode.is_joint else 1)) - wished)
    factors = numpy.where(tags > OUTSIDE, weights, numpy.float32(1))
    if mode.is_joint:
        factors = numpy.broadcast_to(factors.prod(axis=1, keepdims=True), tags.shape)
    factors = factors * (active & (tags != UNKNOWN))
    gradient = (given - wished).reshape(-1, N_SCORED, n_labels) * factors[:, None]
    return log_all - log_known, gradient.reshape(scores.shape)

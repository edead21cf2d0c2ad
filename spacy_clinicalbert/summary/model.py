"""The Thinc models of `clinical_summary`: a score and a vector for each sentence."""

from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy
from numpy import ndarray
from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Maxout, Model, chain
from thinc.types import Floats1d, Floats2d


class Notes(NamedTuple):
    """Some notes and their sentences.

    docs (List[Doc]): The notes.
    places (List[ndarray]): For each the tokens of its sentences, rising, (n_sentences, 2).
    features (List[ndarray]): For each what else is known of its sentences, float32, (n_sentences, n_features).
    """

    docs: List[Doc]
    places: List[ndarray]
    features: List[ndarray]


class SentenceScores(NamedTuple):
    """For each note:

    scores (List[Floats1d]): How much each sentence says of the note, (n_sentences,).
    vectors (List[Floats2d]): The mean of each sentence's token vectors, (n_sentences, width).
    """

    scores: List[Floats1d]
    vectors: List[Floats2d]


Summarizer = Model[Notes, SentenceScores]
EARLY = 100  # tokens behind which a sentence counts 1/e of what the first does for being early


def SentenceCentroid(tok2vec: Model[List[Doc], List[Floats2d]], lead: float = 0.75) -> Summarizer:
    """The registered architecture `spacy-clinicalbert.SentenceCentroid.v1`: a sentence says as much as it is near to the mean of all of the note's, by the cosine of vectors, and
    as it stands early in the note (Radev et al. 2004 add up the same two). It has nothing to train.

    tok2vec (Model[List[Doc], List[Floats2d]]): Gives the token vectors, usually `spacy-clinicalbert.Listener.v1`.
    lead (float): The share of the second, 0 to 1. The default is what MTSamples' development notes are best summarised with (benchmarks/SUMMARIES.md).
    RETURNS (Model[Notes, SentenceScores]): No gradient goes through it.
    """
    if not 0 <= lead <= 1:
        raise ValueError(f"lead is {lead}; it is a share, 0 to 1.")
    attrs = {"lead": lead}
    return Model(
        "sentence-centroid", forward_centroid, init=init, layers=[tok2vec], refs={"tok2vec": tok2vec}, attrs=attrs
    )


def SentenceScorer(tok2vec: Model[List[Doc], List[Floats2d]], hidden_width: int = 64) -> Summarizer:
    """The registered architecture `spacy-clinicalbert.SentenceScorer.v1`: a hidden layer over the sentence's vector, the mean of all of the note's, and what
    `features.make_features` says.

    tok2vec (Model[List[Doc], List[Floats2d]]): Gives the token vectors, usually `spacy-clinicalbert.Listener.v1`.
    hidden_width (int): Of the hidden layer.
    RETURNS (Model[Notes, SentenceScores]): Its backward takes the gradients in the scores.
    """
    score: Model[Floats2d, Floats2d] = chain(
        Dropout(), Maxout(hidden_width, nP=3, normalize=True), Dropout(), Linear(1)
    )
    return Model(
        "sentence-scorer", forward_scorer, init=init, layers=[tok2vec, score], refs={"tok2vec": tok2vec, "score": score}
    )


def init(model: Summarizer, X: Optional[Notes] = None, Y: Any = None) -> None:
    tok2vec = model.get_ref("tok2vec")
    tok2vec.initialize(X=X.docs if X else None)
    if X is not None and model.has_ref("score"):
        width = 2 * tok2vec.get_dim("nO") + X.features[0].shape[1]
        model.get_ref("score").initialize(X=model.ops.alloc2f(1, width))


def means_of_sentences(array: Floats2d, places: ndarray, ops: Any) -> Tuple[Floats2d, Callable]:
    """The mean vector of each sentence, without a copy of the tokens' vectors, and the backward.

    array (Floats2d): (n_tokens, width).
    places (ndarray): (n_sentences, 2).
    """
    # Means of what lies between two sentences, and of each sentence, in turns.
    borders = numpy.concatenate([[0], places.ravel(), [len(array)]])
    lengths = ops.asarray1i(numpy.diff(borders))
    if not len(array):
        return ops.alloc2f(0, array.shape[1]), lambda d_means: array
    means = ops.reduce_mean(array, lengths)[1::2]

    def backprop(d_means: Floats2d) -> Floats2d:
        d_all = ops.alloc2f(2 * len(places) + 1, array.shape[1])
        d_all[1::2] = d_means
        return ops.backprop_reduce_mean(d_all, lengths)

    return means, backprop


def forward_centroid(model: Summarizer, X: Notes, is_train: bool) -> Tuple[SentenceScores, Callable]:
    arrays, _ = model.get_ref("tok2vec")(X.docs, False)
    xp = model.ops.xp
    scores, vectors = [], []
    for array, places in zip(arrays, X.places):
        means, _ = means_of_sentences(array, places, model.ops)
        unit = means / xp.maximum(xp.linalg.norm(means, axis=1, keepdims=True), 1e-8)
        centroid = unit.mean(axis=0) if len(unit) else model.ops.alloc1f(unit.shape[1])
        near = unit @ centroid
        if len(near):
            near = (near - near.min()) / xp.maximum(near.max() - near.min(), 1e-8)
        early = xp.exp(-xp.asarray(places[:, 0], dtype="f") / EARLY)
        scores.append((1 - model.attrs["lead"]) * near + model.attrs["lead"] * early)
        vectors.append(means)
    return SentenceScores(scores, vectors), lambda d_scores: X.docs


def forward_scorer(model: Summarizer, X: Notes, is_train: bool) -> Tuple[SentenceScores, Callable]:
    ops, xp = model.ops, model.ops.xp
    arrays, backprop_tok2vec = model.get_ref("tok2vec")(X.docs, is_train)
    pairs = [means_of_sentences(array, places, ops) for array, places in zip(arrays, X.places)]
    vectors = [means for means, _ in pairs]
    sizes = [len(each) for each in vectors]
    if not sum(sizes):
        return SentenceScores([ops.alloc1f(0) for _ in sizes], vectors), lambda d_scores: X.docs
    ends = numpy.cumsum(sizes)[:-1]
    notes = [xp.broadcast_to(each.mean(axis=0), each.shape) if len(each) else each for each in vectors]
    known = ops.asarray2f(numpy.concatenate(X.features))  # type: ignore[arg-type]
    inputs = xp.concatenate([xp.concatenate(vectors), xp.concatenate(notes), known], axis=1)
    scores, backprop_score = model.get_ref("score")(inputs, is_train)

    def backprop(d_scores: List[Floats1d]) -> List[Doc]:
        d_inputs: Any = backprop_score(xp.concatenate(d_scores).reshape(-1, 1))
        d_arrays = []
        width = vectors[0].shape[1]
        for rows, (_, backprop_means) in zip(xp.split(d_inputs, ends), pairs):
            d_note = rows[:, width : 2 * width].sum(axis=0) / max(len(rows), 1)
            d_arrays.append(backprop_means(xp.ascontiguousarray(rows[:, :width] + d_note)))
        return backprop_tok2vec(d_arrays)

    return SentenceScores(xp.split(scores.ravel(), ends), vectors), backprop

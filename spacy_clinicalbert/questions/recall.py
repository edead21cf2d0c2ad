"""What is lost where a long document is not read whole."""

from typing import Dict, Iterable, Sequence

import numpy
from spacy.training import Example

from .asked import read_known
from .component import ClinicalQA
from .reading import rank_windows


def ranking_recall(
    pipe: ClinicalQA, examples: Iterable[Example], best: Sequence[int] = (1, 5, 10, 20)
) -> Dict[int, float]:
    """How often an answer is whole in one of the windows that would be read.

    pipe (ClinicalQA): Its windows and its encoder's wordpieces are taken.
    examples (Iterable[Example]): With questions in their references; those without an answer do not count.
    best (Sequence[int]): How many windows are read, as `max_windows`.
    RETURNS (Dict[int, float]): For each of these the share of the questions; empty without any. A whole document holds as much as the greatest number can reach: what is missing
        there to 1, if documents have fewer windows, are answers that no window has whole.
    """
    reader = pipe.reader
    places = []
    for example in examples:
        known = [one for one in read_known(example, pipe.name) if one.places]
        if not known:
            continue
        (passages,) = reader.passages([example.predicted])
        ranker = rank_windows(example.predicted, passages)
        for one in known:
            ranges = [found for found in (passages.pieces_of(*place) for place in one.places) if found]
            holding = [number for each in ranges for number in passages.windows_with(*each)]
            rank = numpy.isin(ranker.rank(one.question.text), holding).argmax() if holding else numpy.inf
            places.append(rank)
    return {n: float(numpy.mean(numpy.array(places) < n)) for n in best} if places else {}

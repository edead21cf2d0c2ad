"""The longest text that a pipeline takes, as a setting of its config."""

from typing import Callable

from spacy.language import Language


def max_length(n_characters: int) -> Callable[[Language], Language]:
    """The registered callback `spacy-clinicalbert.max_length.v1`, for `[nlp.after_creation]`: sets `nlp.max_length`, which spaCy saves nowhere. Its default
    of 1,000,000 characters is there for parsers whose memory grows with the text; the components here work in windows.

    n_characters (int): A longer text is an error.
    RETURNS (Callable[[Language], Language]): What spaCy calls with each pipeline that it makes or loads.
    """
    if n_characters < 1:
        raise ValueError(f"n_characters of max_length.v1 is {n_characters}; set it to 1 or more.")

    def set_max_length(nlp: Language) -> Language:
        nlp.max_length = n_characters
        return nlp

    return set_max_length

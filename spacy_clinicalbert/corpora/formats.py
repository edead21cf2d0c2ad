"""Every format that is read, by the name that `scripts/convert.py` and the registered readers have for it."""

import zlib
from pathlib import Path
from typing import Callable, Dict, Iterator

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .brat import brat_records
from .conll import conll_records
from .dialogues import dialogue_records
from .doccano import doccano_records
from .docs import Record, Report, install_extensions, to_docs
from .i2b2_2010 import i2b2_2010_records
from .i2b2_xml import i2b2_xml_records
from .jsonl import jsonl_records
from .label_studio import label_studio_records
from .made_questions import made_question_records
from .mimic import mimic_records
from .mtsamples import mtsamples_records
from .negex import negex_records
from .parquet import parquet_records
from .prodigy import prodigy_records
from .pubtator import pubtator_records
from .questions import question_records
from .readmission import readmission_records
from .squad import squad_records
from .tcga import tcga_records
from .uima import uima_records

FORMATS: Dict[str, Callable[..., Iterator[Record]]] = {
    "brat": brat_records,
    "conll": conll_records,
    "dialogues": dialogue_records,
    "doccano": doccano_records,
    "i2b2_2010": i2b2_2010_records,
    "i2b2_xml": i2b2_xml_records,
    "jsonl": jsonl_records,
    "label_studio": label_studio_records,
    "made_questions": made_question_records,
    "mimic": mimic_records,
    "mtsamples": mtsamples_records,
    "negex": negex_records,
    "parquet": parquet_records,
    "prodigy": prodigy_records,
    "pubtator": pubtator_records,
    "questions": question_records,
    "readmission": readmission_records,
    "squad": squad_records,
    "tcga": tcga_records,
    "uima": uima_records,
}


def read_corpus(source: str, nlp: Language, report: Report) -> Iterator[Doc]:
    """Read annotated notes in whatever form.

    source (str): A path ending in .spacy (a file, or a folder of them), .jsonl, .jsonl.gz (the project's own form) or .parquet; FORMAT:PATH for another format
        of FORMATS with its reader's own settings. Others are for `scripts/convert.py`.
    nlp (Language): Gives the tokenizer and the vocabulary.
    report (Report): Counts what is read, kept and dropped; a .spacy file was counted when it was made.
    YIELDS (Doc): The notes.
    RAISES (ValueError): The source is not there, of no format, or damaged.
    """
    form, _, path = source.partition(":")
    if form not in FORMATS:
        if path and Path(path).exists() and not Path(source).exists():
            raise ValueError(f"There is no format '{form}'. Formats: {', '.join(FORMATS)}.")
        path = source
        form = next(
            (form for form in ("spacy", "jsonl", "parquet") if path.removesuffix(".gz").endswith(f".{form}")), ""
        )
    if not form:
        raise ValueError(
            f"'{source}' is neither .spacy, .jsonl nor .parquet: say FORMAT:PATH, one of {', '.join(FORMATS)}."
        )
    if not Path(path).exists():
        raise ValueError(f"'{path}' is not there.")
    if form != "spacy":
        yield from to_docs(FORMATS[form](path), nlp, report)
        return
    yield from spacy_docs(Path(path), nlp.vocab)


def spacy_docs(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read a .spacy file, or a folder of them.

    YIELDS (Doc): The notes.
    RAISES (ValueError): A file is damaged.
    """
    install_extensions()
    for file in sorted(path.glob("*.spacy")) if path.is_dir() else [path]:
        try:
            docs = DocBin(store_user_data=True).from_disk(file)
        except (EOFError, KeyError, TypeError, ValueError, zlib.error):
            raise ValueError(f"'{file}' is damaged, or no .spacy file.") from None
        yield from docs.get_docs(vocab)

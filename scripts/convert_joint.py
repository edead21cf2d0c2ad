"""The corpora of configs/joint.cfg → .spacy, without what is held out of any benchmark, and copies of it."""

import random
from pathlib import Path
from typing import Iterable, Iterator

import typer
from spacy.language import Language
from spacy.tokens import DocBin

from spacy_clinicalbert.corpora.docs import Record, Report, to_docs
from spacy_clinicalbert.corpora.public import held_out_records, public_corpora, training_records
from spacy_clinicalbert.corpora.questions import add_unanswerable, cut_into_passages
from spacy_clinicalbert.corpora.specialties import HEADINGS, NOTE_TYPE, SPECIALTY, categories_of
from spacy_clinicalbert.tokenizer import blank_clinical

CORPORA = ("maccrobat2020", "bc5cdr", "ncbi_disease", "negex", "mtsamples", "tcga_tnm")
REPORT = "pathology_report"  # a type that all of TCGA's reports have, and few of MTSamples' notes
# The encoder reads a text of questions too, and then each of its questions with it: so texts are cut, to be one window each.
MAX_WORDS, N_QUESTIONS = 150, 4
UNANSWERABLE = 0.25  # of each kind

# Locals hold notes, and an error must not show them.
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
def main(
    corpora: Path = typer.Argument(..., exists=True, file_okay=False, help="Has a folder for each public corpus"),
    target: Path = typer.Argument(..., help="Gets NAME/train.spacy, dev.spacy and test.spacy for each"),
) -> None:
    """Convert the corpora in CORPORA into TARGET."""
    missing = sorted({*CORPORA, "covid_qa", "xquad"} - set(public_corpora(corpora)))
    if missing:
        raise typer.BadParameter(f"'{corpora}' has no {', '.join(missing)}; docs/data.md says where they are")
    nlp = blank_clinical()
    for name in CORPORA:
        for split in ("train", "dev", "test"):
            found = records(corpora, name, split)
            write(target / name / f"{split}.spacy", (as_trained(record, name, split) for record in found), nlp)
    for split in ("train", "dev", "test"):
        write(target / "questions" / f"{split}.spacy", questions(corpora, split), nlp)


def records(corpora: Path, name: str, split: str) -> Iterator[Record]:
    if split == "train":
        return (record for _, record in training_records(corpora, name))
    return held_out_records(corpora, name, split)


def questions(corpora: Path, split: str) -> Iterator[Record]:
    """COVID-QA in passages; of XQuAD, which is no benchmark here, all is for training."""
    if split == "train":
        texts = [record for name in ("covid_qa", "xquad") for _, record in training_records(corpora, name)]
    else:
        texts = list(held_out_records(corpora, "covid_qa", split))
    passages = [passage for text in texts for passage in cut_into_passages(text, MAX_WORDS)]
    yield from add_unanswerable(passages, UNANSWERABLE, UNANSWERABLE, N_QUESTIONS, random.Random(0))


def write(path: Path, found: Iterable[Record], nlp: Language) -> None:
    report, docs = Report(), DocBin(store_user_data=True)
    for doc in to_docs(found, nlp, report):
        docs.add(doc)
    path.parent.mkdir(parents=True, exist_ok=True)
    docs.to_disk(path)
    print(f"{path}: {report}")


def as_trained(record: Record, corpus: str, split: str) -> Record:
    """NCBI-disease's four kinds of mentions are one label here, as in BC5CDR. MTSamples' notes get type and specialty; their descriptions are summaries. TCGA's
    reports get their type, the stages and the type of cancer."""
    if corpus == "ncbi_disease":
        entities = [[start, end, "Disease", *rest] for start, end, _, *rest in record["entities"]]
        return {**record, "entities": entities}
    if corpus == "mtsamples":
        names = record["meta"]["specialties"]
        cats = categories_of(tuple(names), (NOTE_TYPE, SPECIALTY))
        own = {HEADINGS[name].label for name in names if HEADINGS[name].kind == NOTE_TYPE}
        if own and split == "train":  # two or three reports are too few to score anything on
            cats[REPORT] = float(REPORT in own)
        return {**record, "cats": cats}
    if corpus == "tcga_tnm":
        other_types = dict.fromkeys(categories_of(("Surgery",), (NOTE_TYPE,)), 0.0)
        return {**record, "cats": {**record["cats"], **other_types, REPORT: 1.0}}
    return record


if __name__ == "__main__":
    app()

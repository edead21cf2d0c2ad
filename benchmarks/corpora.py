"""Round trip of the public corpora: read as published, made into Docs, through a .spacy file and back, and compared.

    python -m benchmarks.corpora FOLDER

prints the tables of docs/data.md, "What is read" and "What is not kept". FOLDER has a folder for each corpus. It fails if an entity or span that the
report does not name as dropped is not there afterwards with the text that stands at its offsets in the corpus.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, List

import typer
from spacy.tokens import Doc, DocBin

from spacy_clinicalbert.corpora.docs import GOLD, Record, Report, span_attributes, to_docs
from spacy_clinicalbert.corpora.public import public_corpora, record_ids, record_split
from spacy_clinicalbert.corpora.splits import stays_out
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


def wanted(record: Record) -> Counter:
    """The texts of a record's spans, without the white space at their ends, by their label and where they begin."""
    found: Counter = Counter()
    for start, end, label, *_ in record.get("entities", []) + record.get("spans", {}).get(GOLD, []):
        piece = record["text"][start:end]
        found[label, start + len(piece) - len(piece.lstrip()), piece.strip()] += 1
    return found


def given(doc: Doc) -> Counter:
    return (
        Counter((span.label_, span.start_char, span.text) for span in doc.spans[GOLD])
        if GOLD in doc.spans
        else Counter()
    )


def round_trip(records: List[Record], report: Report, nlp: Any) -> Dict[str, int]:
    """Make Docs, store and load them, and compare.

    RETURNS (Dict[str, int]): How many spans came back equal, and how many are missing.
    """
    made = list(to_docs(records, nlp, report))
    loaded = list(
        DocBin(store_user_data=True).from_bytes(DocBin(docs=made, store_user_data=True).to_bytes()).get_docs(nlp.vocab)
    )
    texts = [record for record in records if record.get("text", "").strip() and "drop" not in record]
    assert len(loaded) == len(texts) == report.kept
    equal = missing = 0
    for record, doc in zip(texts, loaded):
        assert doc.text == record["text"] and doc._.note_id == record.get("id") and doc._.annotated is not None
        both = wanted(record) & given(doc)
        equal += both.total()
        missing += (wanted(record) - both).total()
        if GOLD in doc.spans:
            assert len(span_attributes(doc)) == len(doc.spans[GOLD])
    return {"equal": equal, "missing": missing}


@app.command()
def main(folder: Path = typer.Argument(..., exists=True, file_okay=False)) -> None:
    """Read the corpora below FOLDER and print what came of them, as Markdown."""
    nlp = blank_clinical()
    rows: List[str] = []
    losses: List[str] = []
    for corpus, parts in public_corpora(folder).items():
        for part, read in parts.items():
            records = list(read())
            report = Report()
            result = round_trip(records, report, nlp)
            explained = sum(count for reason, count in report.dropped.items() if "token borders" in reason)
            explained += report.mended["spans widened to token borders"]
            assert result["missing"] == explained, (corpus, part, result, report.dropped)
            splits = Counter(record_split(corpus, part, record) for record in records)
            out = sum(any(stays_out(corpus, name) for name in record_ids(corpus, record)) for record in records)
            n_spans = report.entities + report.spans
            cells = [corpus, part, report.read, report.kept, n_spans, result["equal"]]
            cells += [" / ".join(str(splits[split]) for split in ("train", "dev", "test")), out]
            rows.append("| " + " | ".join(map(str, cells)) + " |")
            for kind, counts in (("drop", report.dropped), ("change", report.mended), ("not read", report.unread)):
                losses += [
                    f"| {corpus} | {part} | {kind} | {what} | {count} |" for what, count in sorted(counts.items())
                ]
    print(
        "| corpus | part | read | kept | spans | equal text after .spacy | train / dev / test | stay out of pretraining |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    print("\n| corpus | part | | what | count |\n|---|---|---|---|---|")
    print("\n".join(losses))


if __name__ == "__main__":
    app()

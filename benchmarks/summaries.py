"""Summaries of MTSamples' notes, beside their descriptions, and of dialogues, beside what was written of them: a section (MTS-Dialog) or a note (ACI-bench).
`clinical_summary` and systems that need no encoder, under one budget of words.

    python -m benchmarks.summaries score corpora
    python -m benchmarks.summaries score corpora --encoder mini --pipeline training/summary/model-best
    python -m benchmarks.summaries score corpora --corpus aci_bench
    python -m benchmarks.summaries convert corpora train corpus/summary/train.spacy

All systems choose among the same sentences, and what a system gives beyond the budget is cut off before it is scored. "lead-3" are the first three sentences, "lead" as many as the budget takes;
TextRank is PageRank over the cosines of tf-idf vectors; "centroid" the cosine of a sentence's tf-idf vector and the note's. Both learn the idf of words from the training texts. The oracle has seen the
reference. Entities are those of the site's keywords that stand in the note, and in dialogues the terms of other corpora's annotation (`corpora/terms.py`). Intervals are 95 %, from a bootstrap over
texts, differences on the same draws. `convert` leaves out training texts that hold held-out text of any corpus: notes of MTSamples with MTS-Dialog's sections, and the other way round.
"""

import time
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import networkx
import numpy
import spacy
import typer
from sklearn.feature_extraction.text import TfidfVectorizer
from spacy.tokens import Doc, DocBin

from spacy_clinicalbert.corpora.cloze import term_finder
from spacy_clinicalbert.corpora.docs import Record, Report, to_docs
from spacy_clinicalbert.corpora.public import held_out_records, training_records
from spacy_clinicalbert.corpora.terms import clinical_terms
from spacy_clinicalbert.evaluation.intervals import resample, with_interval
from spacy_clinicalbert.pipeline.section_titles import Titles, load_table
from spacy_clinicalbert.summary.oracle import find_oracle
from spacy_clinicalbert.summary.scorer import entity_recall, load_rouge, redundancy
from spacy_clinicalbert.summary.sentences import Sentences, find_sentences
from spacy_clinicalbert.tokenizer import blank_clinical

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
N_SAMPLES = 2000
# Words: a little above the median of the training summaries.
BUDGETS = {"mtsamples": 20, "mts_dialog": 20, "aci_bench": 400}
COLUMNS = ("ROUGE-1", "ROUGE-2", "ROUGE-L", "entities", "compression", "redundancy")


class Note(NamedTuple):
    doc: Doc
    sentences: Sentences
    texts: List[str]
    reference: str
    keywords: List[str]


System = Callable[[Note], List[str]]  # pieces of the note, in its order


def records(folder: Path, corpus: str, part: str) -> Iterator[Record]:
    """Texts with a summary; of the training part without those that hold held-out text."""
    if part == "train":
        found: Iterable[Record] = (record for _, record in training_records(folder, corpus))
    else:
        found = held_out_records(folder, corpus, part)
    yield from (record for record in found if record.get("summary", "").strip())


def load(folder: Path, corpus: str, part: str) -> Iterator[Note]:
    nlp, titles = blank_clinical(), Titles(load_table())
    find = term_finder(clinical_terms(folder)) if corpus != "mtsamples" else None
    for record in records(folder, corpus, part):
        text = record["text"]
        doc = nlp.make_doc(text)
        sentences = find_sentences(doc, titles)
        texts = [doc[start:end].text for start, end in sentences.places.tolist()]
        keywords = [text[start:end] for start, end in find(text)] if find else record["meta"]["keywords"]
        yield Note(doc, sentences, texts, record["summary"], keywords)


def fill(note: Note, ranked: List[int], budget: int) -> List[str]:
    """The best sentences that fit, in the note's order; the best alone if none does."""
    chosen: List[int] = []
    left = budget
    for i in ranked:
        if note.sentences.words[i] <= left:
            chosen.append(i)
            left -= int(note.sentences.words[i])
    return [note.texts[i] for i in sorted(chosen or ranked[:1])]


def beginning(note: Note, budget: int) -> List[str]:
    """Sentences from the beginning until one does not fit, which is cut with the rest."""
    ends = numpy.cumsum(note.sentences.words)
    return note.texts[: int(numpy.searchsorted(ends, budget)) + 1]


def text_rank(note: Note, tfidf: TfidfVectorizer, budget: int) -> List[str]:
    if not note.texts:
        return []
    vectors = tfidf.transform(note.texts)
    graph = networkx.from_scipy_sparse_array((vectors @ vectors.T).tocsr())
    graph.remove_edges_from(list(networkx.selfloop_edges(graph)))
    ranks = networkx.pagerank(graph, max_iter=500)
    return fill(note, sorted(ranks, key=lambda i: (-ranks[i], i)), budget)


def centroid(note: Note, tfidf: TfidfVectorizer, budget: int) -> List[str]:
    if not note.texts:
        return []
    vectors = tfidf.transform(note.texts)
    mean = numpy.asarray(vectors.mean(axis=0)).ravel()
    return fill(note, numpy.argsort(-(vectors @ mean), kind="stable").tolist(), budget)


def pipeline_system(nlp: Any, budget: int) -> System:
    nlp.get_pipe("clinical_summary").max_words = budget
    return lambda note: [span.text for span in nlp(note.doc.text)._.summary]


def untrained(encoder: str, lead: float) -> Any:
    nlp = blank_clinical()
    nlp.add_pipe("clinical_sections")
    nlp.add_pipe("clinicalbert", config={"model": {"name": encoder}})
    tok2vec = {"@architectures": "spacy-clinicalbert.Listener.v1"}
    model = {"@architectures": "spacy-clinicalbert.SentenceCentroid.v1", "lead": lead, "tok2vec": tok2vec}
    nlp.add_pipe("clinical_summary", config={"model": model})
    nlp.initialize()
    return nlp


def measure(note: Note, pieces: List[str], budget: int, rouge: Callable[[str, str], List[float]]) -> List[float]:
    """The columns; nan where one does not apply."""
    summary = " ".join(" ".join(pieces).split()[:budget])
    keywords = [each for each in note.keywords if f" {each.lower()} " in f" {note.doc.text.lower()} "]
    more: List[Optional[float]] = [entity_recall(keywords, note.reference, summary)]
    more += [len(summary.split()) / max(len(note.doc.text.split()), 1), redundancy(summary)]
    return [*rouge(note.reference, summary), *(numpy.nan if each is None else each for each in more)]


def show(values: numpy.ndarray, sign: str = "") -> str:
    """A mean over notes with its interval, in percent."""
    known = ~numpy.isnan(values)
    pairs = numpy.stack([numpy.where(known, values, 0), known], axis=1).astype(float)
    sums = resample(pairs, N_SAMPLES, 0)
    if not known.any():
        return "–"
    mean = with_interval(pairs[:, 0].sum() / pairs[:, 1].sum(), sums[:, 0] / numpy.maximum(sums[:, 1], 1))
    middle, low, high = (100 * (mean[name] or 0.0) for name in ("value", "low", "high"))
    return f"{middle:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


@app.command()
def score(
    folder: Path = typer.Argument(..., exists=True, file_okay=False, help="Has a folder for each corpus"),
    corpus: str = typer.Option("mtsamples", help=f"One of {', '.join(BUDGETS)}"),
    part: str = typer.Option("dev", help="train, dev or test"),
    words: Optional[int] = typer.Option(None, "--budget", help="The budget, if not that of the corpus"),
    encoder: Optional[str] = typer.Option(None, help="For the untrained default"),
    lead: float = typer.Option(0.75, min=0, max=1, help="Of the untrained default"),
    pipeline: List[str] = typer.Option([], help="With a trained clinical_summary; as often as there are some"),
    limit: Optional[int] = typer.Option(None, help="Notes, to try it"),
) -> None:
    """Print the scores as Markdown."""
    budget = BUDGETS[corpus] if words is None else words
    notes = list(islice(load(folder, corpus, part), limit))
    tfidf = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    tfidf.fit(record["text"] for record in records(folder, corpus, "train"))
    systems: Dict[str, System] = {
        "lead-3": lambda note: note.texts[:3],
        "lead": lambda note: beginning(note, budget),
        "TextRank": lambda note: text_rank(note, tfidf, budget),
        "centroid, tf-idf": lambda note: centroid(note, tfidf, budget),
    }
    own: List[str] = []
    if encoder is not None:
        own.append(f"clinical_summary, untrained, {Path(encoder).name}")
        systems[own[-1]] = pipeline_system(untrained(encoder, lead), budget)
    for path in pipeline:
        own.append(f"clinical_summary, {path}")
        systems[own[-1]] = pipeline_system(spacy.load(path), budget)
    systems["oracle"] = lambda note: [
        note.texts[i] for i in find_oracle(note.texts, note.reference, note.sentences.words.tolist(), budget)
    ]
    rouge = load_rouge()
    lengths = sorted(len(note.reference.split()) for note in notes)
    print(
        f"{len(notes)} texts of {corpus}, part {part}, {budget} words; references have {lengths[len(lengths) // 2]} (median)\n"
    )
    print("| system | " + " | ".join(COLUMNS) + " | ms/note |\n|" + "---|" * (len(COLUMNS) + 2))
    found: Dict[str, numpy.ndarray] = {}
    for name, system in systems.items():
        begin = time.perf_counter()
        given = [system(note) for note in notes]
        each = 1000 * (time.perf_counter() - begin) / len(notes)
        found[name] = numpy.array([measure(note, pieces, budget, rouge) for note, pieces in zip(notes, given)])
        cells = [show(column) for column in found[name].T]
        print("| " + " | ".join([name, *cells, f"{each:.1f}"]) + " |", flush=True)
    trained = [f"clinical_summary, {path}" for path in pipeline]
    if len(trained) > 1:
        own.append(f"clinical_summary, mean of {len(trained)}")
        found[own[-1]] = numpy.mean([found[name] for name in trained], axis=0)
    pairs: List[Tuple[str, str]] = [(ours, peer) for ours in own for peer in list(systems)[:4]]
    if pairs:
        print("\n| difference | ROUGE-1 | ROUGE-2 | ROUGE-L |\n|---|---|---|---|")
    for ours, peer in pairs:
        cells = [show(found[ours][:, i] - found[peer][:, i], "+") for i in range(3)]
        print("| " + " | ".join([f"{ours} − {peer}", *cells]) + " |")


@app.command()
def convert(
    folder: Path,
    part: str,
    output: Path,
    corpus: str = typer.Option("mtsamples", help=f"One of {', '.join(BUDGETS)}"),
) -> None:
    """Write a part as .spacy, to train and evaluate on."""
    report = Report()
    docs = DocBin(docs=to_docs(records(folder, corpus, part), blank_clinical(), report), store_user_data=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    docs.to_disk(output)
    print(report)


if __name__ == "__main__":
    app()

"""The public corpora, in the layouts that their sources publish; docs/data.md says where they are."""

from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

from .brat import brat_records
from .conll import conll_records
from .dialogues import dialogue_records
from .docs import GOLD, Record, split_of
from .files import FilePath, at, csv_rows, json_lines
from .mtsamples import mtsamples_records
from .negex import negex_records, sentence_split
from .pubtator import pubtator_records
from .splits import stays_out
from .squad import squad_records
from .tcga import tcga_records

# Corpus → its parts: a split ("train", "dev", "test", perhaps with a number), or "all" where it has none.
Parts = Dict[str, Callable[[], Iterator[Record]]]


def public_corpora(folder: FilePath) -> Dict[str, Parts]:
    """Open those of the corpora that a folder holds.

    folder (Union[str, Path]): Has a folder for each corpus.
    RETURNS (Dict[str, Parts]): Corpus → part → what reads it, anew at each call.
    """
    layout: Dict[str, Dict[str, Tuple[Any, str]]] = {
        "ncbi_disease": {
            "train": (pubtator_records, "original-data/train/NCBItrainset_corpus.txt"),
            "dev": (pubtator_records, "original-data/devel/NCBIdevelopset_corpus.txt"),
            "test": (pubtator_records, "original-data/test/NCBItestset_corpus.txt"),
        },
        "bc5cdr": {
            "train": (conll_records, "BC5CDR-IOB/train.tsv"),
            "dev": (conll_records, "BC5CDR-IOB/devel.tsv"),
            "test": (conll_records, "BC5CDR-IOB/test.tsv"),
        },
        "maccrobat2020": {"all": (brat_records, "MACCROBAT2020")},
        "mtsamples": {"all": (partial(mtsamples_records, summary=True), "mtsamples.jsonl")},
        "negex": {"all": (negex_records, "negex_context_testkit.jsonl")},
        "covid_qa": {"all": (squad_records, "covid_qa.json")},
        "xquad": {"all": (squad_records, "xquad.en.json")},
        "mts_dialog": {
            "train": (dialogue_records, "MTS-Dialog-TrainingSet.csv"),
            "dev": (dialogue_records, "MTS-Dialog-ValidationSet.csv"),
            "test1": (dialogue_records, "MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv"),
            "test2": (dialogue_records, "MTS-Dialog-TestSet-2-MEDIQA-Sum-2023.csv"),
        },
        "aci_bench": {
            "train": (dialogue_records, "train.csv"),
            "dev": (dialogue_records, "valid.csv"),
            "test1": (dialogue_records, "clinicalnlp_taskB_test1.csv"),
            "test2": (dialogue_records, "clinicalnlp_taskC_test2.csv"),
            "test3": (dialogue_records, "clef_taskC_test3.csv"),
        },
        "tcga_tnm": {"all": (partial(tcga_records, cancer_types=True), "tcga_reports_tnm.jsonl")},
        "medquad": {"all": (_medquad, "medquad.jsonl")},
        "sumpubmed": {"abstracts": (_texts, "abstracts.jsonl.gz"), "articles": (_texts, "clinical_articles.jsonl.gz")},
        "medical_abstracts": {"all": (_medical_abstracts, "medical_tc_test.csv")},
    }
    found: Dict[str, Parts] = {}
    for corpus, parts in layout.items():
        for part, (read, name) in parts.items():
            path = Path(folder) / corpus / name
            if path.exists():
                found.setdefault(corpus, {})[part] = partial(read, path)
    return found


def training_records(folder: FilePath, only: Optional[str] = None) -> Iterator[Tuple[str, Record]]:
    """What all corpora together may be trained on, in pretraining for instance: no held-out text of any, and no copy of one.

    folder (Union[str, Path]): Has a folder for each corpus.
    only (Optional[str]): Read this corpus alone.
    YIELDS (Tuple[str, Record]): A corpus, and a record of it.
    """
    for corpus, parts in public_corpora(folder).items():
        for read in parts.values() if only in (None, corpus) else ():
            for record in read():
                if not any(stays_out(corpus, name) for name in record_ids(corpus, record)):
                    yield corpus, record


def held_out_records(folder: FilePath, corpus: str, split: str) -> Iterator[Record]:
    """What is held out of a corpus, for instance to follow pretraining by.

    folder (Union[str, Path]): Has a folder for each corpus.
    corpus (str): The corpus' name.
    split (str): "dev" or "test".
    YIELDS (Record): The records of that split.
    """
    for part, read in public_corpora(folder)[corpus].items():
        for record in read():
            if record_split(corpus, part, record) == split:
                yield record


def record_split(corpus: str, part: str, record: Record) -> str:
    """The split of a record of `public_corpora`: "train", "dev" or "test"; "train" too where a corpus is no benchmark."""
    if part != "all" or corpus in ("xquad", "medquad", "medical_abstracts"):
        return {"dev": "dev", "tes": "test"}.get(part[:3], "train")
    if corpus == "negex":
        return sentence_split(record["text"])
    return split_of(record["patient"] if corpus == "tcga_tnm" else record["id"])


def record_ids(corpus: str, record: Record) -> list:
    """The ids by which assets/splits.json names a record: its own, TCGA's cases, all items of a sentence of NegEx."""
    if corpus == "negex":
        return [attributes["id"] for *_, attributes in record["spans"][GOLD]] or [record["id"]]
    return [record["patient"] if corpus == "tcga_tnm" else record["id"]]


def _texts(path: Path) -> Iterator[Record]:
    for number, row in json_lines(path):
        if not isinstance(row.get("text"), str):
            raise ValueError(f"{at(path, number)} has no 'text'.")
        yield {"id": f"{path.name.split('.')[0]}-{row.get('id', number)}", "text": row["text"]}


def _medquad(path: Path) -> Iterator[Record]:
    for number, row in json_lines(path):
        meta = {name: row.get(name) for name in ("focus", "question", "answer")}
        yield {"id": number, "text": f"{row.get('question')}\n{row.get('answer')}", "meta": meta}


def _medical_abstracts(path: Path) -> Iterator[Record]:
    for number, (_, row) in enumerate(csv_rows(path, ["condition_label", "medical_abstract"]), start=1):
        yield {"id": number, "text": row["medical_abstract"], "cats": {row["condition_label"]: 1.0}}

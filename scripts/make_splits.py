"""Write assets/splits.json: the held-out notes of every benchmark, and the copies of their text in all corpora."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Tuple

import typer

from spacy_clinicalbert.corpora.public import public_corpora, record_ids, record_split
from spacy_clinicalbert.corpora.splits import HeldOut, fingerprint

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
BENCHMARKS = "ncbi_disease bc5cdr maccrobat2020 mtsamples negex covid_qa mts_dialog aci_bench tcga_tnm".split()


@app.command()
def main(
    corpora: Path = typer.Argument(..., exists=True, file_okay=False), target: Path = Path("assets/splits.json")
) -> None:
    """Read CORPORA, in the layout of docs/data.md, and write TARGET."""
    opened = public_corpora(corpora)
    for corpus in sorted(set(BENCHMARKS) - set(opened)):
        raise typer.BadParameter(f"'{corpora}' has no '{corpus}': the file needs every benchmark")
    splits: Dict[str, Dict[str, List]] = {corpus: {"dev": [], "test": []} for corpus in BENCHMARKS}
    mtsamples_ids: Dict[str, Any] = {}
    held_out: List[Tuple[str, str]] = []
    for corpus in BENCHMARKS:
        for part, read in opened[corpus].items():
            for record in read():
                if corpus == "mtsamples":
                    mtsamples_ids[fingerprint(record["text"])] = record["id"]
                split = record_split(corpus, part, record)
                if split != "train":
                    splits[corpus][split] += record_ids(corpus, record)
                    held_out += [(corpus, record[name]) for name in ("text", "summary") if name in record]
    finder = HeldOut(text for _, text in held_out)
    copies: Dict[str, List] = defaultdict(list)
    counts: Dict[Tuple[str, str], int] = defaultdict(int)
    for corpus, parts in opened.items():
        for part, read in parts.items():
            for record in read():
                if record_split(corpus, part, record) == "train":
                    texts = [record[name] for name in ("text", "summary") if name in record]
                    found = next((found for found in map(finder.find, texts) if found is not None), None)
                    if found is not None:
                        copies[corpus] += record_ids(corpus, record)
                        counts[corpus, held_out[found][0]] += 1
    for corpus, ids in copies.items():
        splits.setdefault(corpus, {"dev": [], "test": []})["copies"] = ids
    for lists in splits.values():
        lists.update({part: _shorten(sorted(set(ids), key=_key)) for part, ids in lists.items()})
    data = {"corpora": splits, "mtsamples_ids": mtsamples_ids}
    target.write_text(_write(data), encoding="utf8")
    for (corpus, source), count in sorted(counts.items()):
        print(f"{corpus}: {count} training texts hold text held out of {source}")


def _key(name: object) -> Tuple:
    """Orders a-2 before a-10."""
    head, _, tail = str(name).rpartition("-")
    return (head, int(tail), "") if tail.isdecimal() else (head, -1, tail)


def _shorten(ids: List[Any]) -> List[Any]:
    """Runs of numbered names as one: devel-1..4581."""
    short: List[Any] = []
    run: List[int] = []
    for name in ids:
        head, _, tail = str(name).rpartition("-")
        if not head or not tail.isdecimal() or tail != str(int(tail)):
            short.append(name)
            run = []
        elif (
            run
            and short[-1].startswith(f"{head}-")
            and int(tail) == run[1] + 1
            and head == short[-1].rpartition("-")[0]
        ):
            run[1] += 1
            short[-1] = f"{head}-{run[0]}..{run[1]}"
        else:
            run = [int(tail), int(tail)]
            short.append(name)
    return short


def _write(data: Dict[str, Any]) -> str:
    """JSON with a line for each corpus' part, for diffs that can be read."""
    corpora = []
    for corpus, parts in data["corpora"].items():
        rows = ",\n".join(f"  {json.dumps(part)}: {_line(ids)}" for part, ids in parts.items())
        corpora.append(f" {json.dumps(corpus)}: {{\n{rows}\n }}")
    return '{"corpora": {\n' + ",\n".join(corpora) + '\n},\n"mtsamples_ids": ' + _line(data["mtsamples_ids"]) + "}\n"


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    app()

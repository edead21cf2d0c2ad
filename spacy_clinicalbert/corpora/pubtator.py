"""PubTator files, as NCBI-disease and BC5CDR are published in."""

from pathlib import Path
from typing import Dict, Iterator, Optional, Union

from .docs import Reader, Record, make_reader


def pubtator_records(path: Union[str, Path], labels: Optional[Dict[str, str]] = None) -> Iterator[Record]:
    """Read a PubTator file: title and abstract make one text, joined by a line break as its offsets want it.

    path (Union[str, Path]): The file.
    labels (Optional[Dict[str, str]]): Type in the file → label of the entity, with "*" for every other type.
        Types that have no label are left out. None keeps all types under their own names.
    YIELDS (Record): One record an article.
    """
    try:
        from bioc import pubtator
    except ImportError as err:
        raise ImportError(
            "Reading PubTator files takes the package bioc: pip install 'spacy-clinicalbert[corpora]'"
        ) from err
    with Path(path).open(encoding="utf8") as file:
        for article in pubtator.load(file):
            entities = []
            for mention in article.annotations:
                label = mention.type if labels is None else labels.get(mention.type, labels.get("*"))
                if label:
                    entities.append((int(mention.start), int(mention.end), label))
            yield {"id": article.pmid, "text": article.text, "entities": entities}


def read_pubtator(path: Path, labels: Optional[Dict[str, str]] = None, strict: bool = False) -> Reader:
    """The registered reader `spacy-clinicalbert.pubtator.v1`; see `pubtator_records`."""
    return make_reader(lambda: pubtator_records(path, labels), strict)

"""Pathology reports of TCGA with the T, N and M of their patients, as JSON lines."""

from typing import Dict, Iterator, List, Optional, Sequence

from ..pathology.masking import mask_stages
from .docs import Reader, Record, make_reader, split_of
from .files import FilePath, at, json_lines

# The classes of each field; a subclass (T2a) is its class, and stands in doc._.meta.
FIELDS: Dict[str, Sequence[str]] = {
    "T": ("T1", "T2", "T3", "T4"),
    "N": ("N0", "N1", "N2", "N3"),
    "M": ("M0", "M1"),
}


def tcga_records(
    path: FilePath, split: Optional[str] = None, cancer_types: bool = False, mask: bool = False
) -> Iterator[Record]:
    """Read the reports, with the stages as categories, 0 or 1.

    path (Union[str, Path]): The JSON lines, with "id", "case", "text", "T", "N", "M" and "cancer_type".
    split (Optional[str]): "train", "dev" or "test", by case (see `docs.split_of`); None reads all.
    cancer_types (bool): The types of cancer are categories too, all that the file has, whatever the split.
    mask (bool): The stages that a report states are taken out of its text; see `pathology.masking.mask_stages`.
    YIELDS (Record): One record a report; its patient is the case. A field that is null is not known: none of its
        classes is in the categories. The stages are the patient's, and need not be written in the report.
    RAISES (ValueError): A line is not of the corpus, by its number.
    """
    types = cancer_types_of(path) if cancer_types else []
    for number, row in json_lines(path):
        cats = {label: float(label == row.get("cancer_type")) for label in types if row.get("cancer_type")}
        for name, classes in FIELDS.items():
            value = row.get(name)
            if value in classes:
                cats.update({label: float(label == value) for label in classes})
            elif value is not None or name not in row:
                raise ValueError(f"{at(path, number)} has a field {name} that is none of {', '.join(classes)}.")
        if not isinstance(row.get("text"), str) or not isinstance(row.get("case"), str):
            raise ValueError(f"{at(path, number)} has no 'text' or no 'case'.")
        if split is None or split_of(row["case"]) == split:
            text = mask_stages(row["text"]) if mask else row["text"]
            meta = {name: row[name] for name in ("cancer_type", "T_raw") if row.get(name)}
            yield {"id": row.get("id"), "patient": row["case"], "text": text, "cats": cats, "meta": meta}


def cancer_types_of(path: FilePath) -> List[str]:
    """path (Union[str, Path]): As for `tcga_records`. RETURNS (List[str]): The types of cancer of its reports, sorted."""
    return sorted({row["cancer_type"] for _, row in json_lines(path) if row.get("cancer_type")})


def read_tcga(
    path: FilePath,
    split: Optional[str] = None,
    strict: bool = False,
    cancer_types: bool = False,
    mask: bool = False,
) -> Reader:
    """The registered reader `spacy-clinicalbert.tcga.v1`; see `tcga_records`."""
    return make_reader(lambda: tcga_records(path, split, cancer_types, mask), strict)

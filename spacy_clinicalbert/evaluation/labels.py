"""Label maps: which labels of pipelines and corpora mean the same.

A file holds one JSON object, common label → the labels that mean it, in whichever pipeline or corpus:

    {"DISEASE": ["Disease", "Disease_disorder"], "CHEMICAL": ["Chemical", "Medication"]}
"""

from typing import Dict, Iterable, List, Optional

from ..corpora.files import FilePath, json_file

LabelMap = Dict[str, str]  # label of a pipeline or corpus → common label


def read_label_map(path: FilePath) -> LabelMap:
    """Read a label map.

    path (Union[str, Path]): The JSON file.
    RETURNS (LabelMap): Label → common label.
    RAISES (ValueError): It has another form, or puts one label under two common ones.
    """
    groups = json_file(path)
    if not isinstance(groups, dict) or not groups or not all(map(_is_group, groups.values())):
        raise ValueError(f"The label map '{path}' is not an object of common label → list of labels.")
    label_map: LabelMap = {}
    for common, labels in groups.items():
        for label in labels:
            if label_map.setdefault(label, common) != common:
                raise ValueError(f"The label map '{path}' puts '{label}' under two common labels.")
    return label_map


def _is_group(labels: object) -> bool:
    return isinstance(labels, list) and bool(labels) and all(isinstance(label, str) for label in labels)


def common_label(label: str, label_map: Optional[LabelMap]) -> Optional[str]:
    """The common label of a label: itself where there is no map, None where the map leaves it out."""
    return label if label_map is None else label_map.get(label)


def check_label_map(label_map: Optional[LabelMap], known: Iterable[str]) -> None:
    """Raise ValueError if the map names a label that neither a pipeline nor a corpus has: it would be a slip.

    known (Iterable[str]): The labels of all pipelines and corpora.
    """
    known = set(known)
    unknown: List[str] = sorted(set(label_map or {}) - known)
    if unknown:
        raise ValueError(
            f"The label map names labels that no pipeline and no corpus has: {', '.join(unknown)}. They have: "
            f"{', '.join(sorted(known))}."
        )

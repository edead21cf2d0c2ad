"""The XML of the i2b2 and n2c2 challenges: de-identification and heart disease (2014), temporal relations (2012), and cohort selection
(2018). A file is a note: its text, then tags. Private corpora: the tests write files shaped like them."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional
from xml.etree.ElementTree import Element

from .docs import MISPLACED, Reader, Record, check_span, make_reader, split_of
from .files import FilePath, xml_root

_PLACE = ("id", "start", "end", "text", "comment")


def i2b2_xml_records(path: FilePath, split: Optional[str] = None, label: Optional[str] = None) -> Iterator[Record]:
    """Read a folder of files, or one file.

    path (Union[str, Path]): The folder, which is searched for .xml, or the file.
    split (Optional[str]): "train", "dev" or "test", by patient (see `docs.split_of`); None reads all.
    label (Optional[str]): The attribute that holds an entity's label, such as "TYPE" for the kinds of names in the 2014
        de-identification; None takes the tag's name. Where a tag does not have it, it is the tag's name too.
    YIELDS (Record): One record a file. Its patient is what stands before the "-" in names like 220-01. Tags with offsets are
        entities, their other values attributes; tags with "met" are categories. Tags that concern the whole note, and links,
        are counted as unread. Entities whose text does not stand at their offsets are drops.
    RAISES (ValueError): There are no files, or one is damaged, by the line.
    """
    files = sorted(Path(path).rglob("*.xml")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise ValueError(f"The folder '{path}' has no files of the challenges (NAME.xml).")
    for file in files:
        match = re.fullmatch(r"(\d+)-\d+", file.stem)
        patient = match[1] if match else file.stem
        if split is None or split_of(patient) == split:
            yield _record(file, patient, label)


def _record(file: Path, patient: str, label: Optional[str]) -> Record:
    root = xml_root(file)
    body, tags = root.find("TEXT"), root.find("TAGS")
    if body is None:
        raise ValueError(f"Line 1 of '{file}' does not begin a note of the challenges: there is no TEXT.")
    text = body.text or ""
    record: Record = {"id": file.stem, "patient": patient, "text": text}
    if tags is None:
        return record
    cats: Dict[str, float] = {}
    entities: List[Any] = []
    drops: List[Any] = []
    unread: Counter = Counter()
    for number, tag in enumerate(tags.iter(), start=0):
        if tag is tags:
            continue
        if "met" in tag.attrib:
            cats[tag.tag] = float(tag.attrib["met"] == "met")
        elif "start" in tag.attrib and "end" in tag.attrib:
            _read_entity(tag, text, label, entities, drops, f"Tag {number} of '{file}'")
        else:
            unread[f"tags {tag.tag} without offsets"] += 1
    record.update(unread=unread, drops=drops)
    if drops:
        record["partial"] = True  # where they stand is not known
    if cats:
        record["cats"] = cats
    if not cats or entities:
        record["entities"] = entities
    return record


def _read_entity(tag: Element, text: str, label: Optional[str], entities: List, drops: List, where: str) -> None:
    try:
        start, end = int(tag.attrib["start"]), int(tag.attrib["end"])
    except ValueError:
        raise ValueError(f"{where} has offsets that are no numbers.") from None
    mention = tag.attrib.get("text")
    # 2012 counts characters from 1.
    if (
        mention is not None
        and start > 0
        and text[start:end].split() != mention.split() == text[start - 1 : end - 1].split()
    ):
        start, end = start - 1, end - 1
    check_span(text, start, end, where)
    if mention is not None and text[start:end].split() != mention.split():
        drops.append([MISPLACED, start, end])
        return
    name = tag.attrib.get(label, tag.tag) if label else tag.tag
    entities.append(
        [start, end, name, {key: value for key, value in tag.attrib.items() if key not in _PLACE and value}]
    )


def read_i2b2_xml(
    path: FilePath, split: Optional[str] = None, label: Optional[str] = None, strict: bool = False
) -> Reader:
    """The registered reader `spacy-clinicalbert.i2b2_xml.v1`; see `i2b2_xml_records`."""
    return make_reader(lambda: i2b2_xml_records(path, split, label), strict)

"""UIMA's XMI, as INCEpTION, WebAnno, cTAKES and others write it, read with dkpro-cassis."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

from .docs import Reader, Record, check_span, make_reader
from .files import FilePath, check_xml

NAMED_ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
# What says nothing about the note: the parts of every text.
_FRAME = ("uima.tcas.DocumentAnnotation", "Token", "Sentence", "Paragraph", "DocumentMetaData")
_NO_ATTRIBUTES = {"begin", "end", "sofa", "xmiID", "type"}


def uima_records(
    path: FilePath, types: Optional[Dict[str, str]] = None, typesystem: Optional[FilePath] = None
) -> Iterator[Record]:
    """Read documents.

    path (Union[str, Path]): An .xmi file, or a folder that is searched for them.
    types (Optional[Dict[str, str]]): Type of annotation → the feature that holds the label, or "" for the type's own short
        name. None is the named entities of INCEpTION: {"de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity": "value"}.
    typesystem (Optional[Union[str, Path]]): The XML file of the type system; None is TypeSystem.xml beside each document, where
        INCEpTION puts it.
    YIELDS (Record): One record a document, by its file's name; simple features are attributes of its entities. Annotations
        without a label are drops; those of other types are counted as unread.
    RAISES (ValueError): A file is damaged, or does not fit the type system. (dkpro-cassis' own errors can hold text.)
    RAISES (ImportError): dkpro-cassis is not installed.
    """
    try:
        import cassis
    except ImportError:
        raise ImportError("XMI is read with dkpro-cassis: pip install 'spacy-clinicalbert[corpora]'.") from None
    files = sorted(Path(path).rglob("*.xmi")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise ValueError(f"The folder '{path}' has no documents (NAME.xmi).")
    loaded: Dict[Path, Any] = {}
    for file in files:
        schema = Path(typesystem) if typesystem else file.with_name("TypeSystem.xml")
        for each in (schema, file):
            check_xml(each)
        try:
            if schema not in loaded:
                with schema.open("rb") as stream:
                    loaded[schema] = cassis.load_typesystem(stream)
            cas = cassis.load_cas_from_xmi(file, typesystem=loaded[schema])
        except Exception as error:
            kind = type(error).__name__
            raise ValueError(f"'{file}' is not XMI of the type system '{schema}' ({kind} in dkpro-cassis).") from None
        yield _record(file, cas, types or {NAMED_ENTITY: "value"})


def _record(file: Path, cas: Any, types: Dict[str, str]) -> Record:
    record: Record = {"id": file.stem, "text": cas.sofa_string or "", "entities": [], "drops": [], "unread": Counter()}
    for name in types:
        if not cas.typesystem.contains_type(name):
            raise ValueError(f"The type system of '{file}' has no type '{name}': set `types` to those that it has.")
    if len(cas.views) > 1:
        record["unread"]["views beside the first"] += len(cas.views) - 1
    for annotation in cas.select_all_annotations():
        name = annotation.type.name
        if name not in types:
            if not name.endswith(_FRAME):
                record["unread"][f"annotations of type {name.rpartition('.')[2]}"] += 1
            continue
        start, end, label, attributes = _read(annotation, types[name])
        check_span(record["text"], start, end, f"An annotation of '{file}'")
        if label is None:
            record["drops"].append(["annotations without a label", start, end])
        else:
            record["entities"].append([start, end, label, attributes])
    return record


def _read(annotation: Any, feature: str) -> Tuple[int, int, Optional[str], Dict[str, Any]]:
    name = annotation.type.name.rpartition(".")[2]
    label = getattr(annotation, feature, None) if feature else name
    if isinstance(label, (int, float)):  # spaCy takes a number for the hash of a string
        label = str(label)
    names = {one.name for one in annotation.type.all_features} - _NO_ATTRIBUTES - {feature}
    values = {one: getattr(annotation, one) for one in sorted(names)}
    attributes = {one: value for one, value in values.items() if isinstance(value, (str, int, float, bool))}
    return annotation.begin, annotation.end, label, attributes


def read_uima(
    path: FilePath,
    types: Optional[Dict[str, str]] = None,
    typesystem: Optional[FilePath] = None,
    strict: bool = False,
) -> Reader:
    """The registered reader `spacy-clinicalbert.uima.v1`; see `uima_records`."""
    return make_reader(lambda: uima_records(path, types, typesystem), strict)

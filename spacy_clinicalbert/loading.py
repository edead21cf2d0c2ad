"""Pipelines and configs by the names that a user gives."""

import configparser
import re
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

import spacy
from spacy import util
from spacy.language import Language
from thinc.api import Config, ConfigValidationError

from .corpora.files import text_lines
from .folders import left_by_kill

_SECTION = re.compile(r"\[[\w.*-]+\]\s*")


def find_pipeline(name: Union[str, Path]) -> Path:
    """Find a pipeline, as `spacy.load` does.

    name (Union[str, Path]): The folder of a saved pipeline, or an installed package.
    RETURNS (Path): The folder, or that of the package.
    RAISES (ValueError): There is none; says what is there.
    """
    if util.is_package(str(name)):
        package = util.get_package_path(str(name))
        if not any(package.glob("*/config.cfg")):  # `spacy package` puts the pipeline into a folder with its version
            raise ValueError(f"'{name}' is an installed package, but no pipeline. A folder of that name is './{name}'.")
        return package
    folder = Path(name)
    left = left_by_kill(folder)
    if left is not None:  # not renamed here, for whoever writes may be at it
        raise ValueError(
            f"'{name}' is not there: a run that replaced it was killed, and left what was there before as '{left}'. Rename that to "
            f"'{folder}', or go on with the run."
        )
    if not folder.exists():
        raise ValueError(f"'{name}' is neither the folder of a saved pipeline nor an installed one.")
    if not (folder / "config.cfg").is_file():
        found = [each for each in ("model-best", "model-last") if (folder / each / "config.cfg").is_file()]
        which = f" It holds one as '{folder / found[0]}'." if found else " Name the folder that spaCy's to_disk wrote."
        raise ValueError(f"'{name}' is not a saved pipeline: it has no config.cfg.{which}")
    return folder


def open_pipeline(name: Union[str, Path]) -> Language:
    """Load a pipeline.

    name (Union[str, Path]): The folder of a saved pipeline, or an installed package.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): There is none, or it is damaged. RAISES (OSError): It cannot be read.
    """
    find_pipeline(name)
    return spacy.load(name)


def save_pipeline(nlp: Language, folder: Path) -> None:
    """Write a pipeline, and the folders above it, which spaCy does not make."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(folder)


def open_config(
    path: Union[str, Path], overrides: Mapping[str, Any] = {}, *, needs: Sequence[str] = (), interpolate: bool = False
) -> Config:
    """Read a config.

    path (Union[str, Path]): The file.
    overrides (Mapping[str, Any]): Settings in place of the file's, by their dotted names.
    needs (Sequence[str]): Sections that it must have.
    interpolate (bool): Whether to fill in its variables.
    RETURNS (Config): The config.
    RAISES (ValueError): It is none, or has not what is needed. The error does not show a line, for the file could be a note.
    """
    lines = (line for _, line in text_lines(path) if line.strip() and not line.lstrip().startswith(("#", ";")))
    if not _SECTION.fullmatch(next(lines, "")):
        raise ValueError(f"'{path}' is not a config: it does not begin with a [section].")
    try:
        found = Config().from_disk(path, interpolate=False)
    except (ConfigValidationError, configparser.Error):
        raise ValueError(
            f"'{path}' is not a config: below its [section]s, each once, stand lines of the form `name = value`."
        ) from None
    for section in needs:
        if section not in found:
            raise ValueError(f"'{path}' has no section [{section}]: it is a config for something else.")
    return util.load_config(path, overrides=dict(overrides), interpolate=interpolate)

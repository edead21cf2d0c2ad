"""What `python -m spacy clinicalbert view` shows: a script that Streamlit runs from the beginning at each click. Its arguments: the pipelines, and the
user's table of concepts behind `--concepts`."""

import sys
import threading
from pathlib import Path
from typing import Any, List, Optional, Tuple

import spacy
import streamlit as st

from spacy_clinicalbert.deployment.concepts import as_concepts
from spacy_clinicalbert.page.explained import read_wanted
from spacy_clinicalbert.page.run import Extras
from spacy_clinicalbert.page.viewing import View, can_explain, read_samples, read_upload, view_note

HEIGHT = 1000  # pixels of a page
NOTHING = "nothing"


@st.cache_resource(show_spinner="Loading the pipeline")
def load(path: str) -> Tuple[Any, Any]:
    """The pipeline, and a lock: each visitor has a thread."""
    return spacy.load(path), threading.Lock()


def choose_text() -> Tuple[Optional[str], str]:
    """RETURNS (Tuple[Optional[str], str]): The note's id, if it has one, and its text."""
    way = st.radio("The note", ["A sample", "Paste", "Upload"], key="way", horizontal=True)
    if way == "A sample":
        samples = read_samples()
        chosen = st.selectbox("Sample", list(samples), key="sample")
        return chosen, samples[chosen]
    if way == "Paste":
        return None, st.text_area("Text", key="text", height=300)
    file = st.file_uploader("A .txt or .pdf file", type=["txt", "pdf"], key="file")
    return None, read_upload(file.name, file.getvalue()) if file else ""


def show(path: str, key: Tuple[Any, ...], place: str, **settings: Any) -> None:
    """Show what one pipeline makes of the note. What was shown before is kept with what it was made of."""
    kept = st.session_state.get(place)
    if kept is None or kept[0] != key:
        nlp, lock = load(path)
        with st.spinner("Reading the note"), lock:
            kept = (key, view_note(nlp, **settings))
        st.session_state[place] = kept
    view: View = kept[1]
    st.iframe(view.page, height=HEIGHT, alt=f"What {Path(path).name} found in the note")
    for each in view.downloads:
        if each.reason:
            st.caption(f"{each.title} is not to be had: {each.reason}.")
        else:
            st.download_button(
                each.title, each.data, each.name, each.mime, key=f"{place} {each.title}", on_click="ignore"
            )


def main(arguments: List[str]) -> None:
    paths = [each for each in arguments if not each.startswith("--concepts=")]
    tables = [each.removeprefix("--concepts=") for each in arguments if each.startswith("--concepts=")]
    st.set_page_config(page_title="spacy-clinicalbert", layout="wide")
    try:
        with st.sidebar:
            note_id, text = choose_text()
            pipelines = [load(path)[0] for path in paths]
            questions: List[str] = []
            if any("clinical_qa" in nlp.pipe_factories.values() for nlp in pipelines):
                asked = st.text_area("Questions, one a line", key="questions")
                questions = [line.strip() for line in asked.splitlines() if line.strip()]
            labels = list(dict.fromkeys(each for nlp in pipelines for each in can_explain(nlp)))
            wanted = st.selectbox("Explain", [NOTHING, *labels], key="explain") if labels else NOTHING
            st.caption("Everything stays on this machine. This is no medical device.")
        if not text.strip():
            st.info("Choose, paste or upload a note.")
            return
        extras = Extras([read_wanted(wanted)] if wanted != NOTHING else ())
        colours = sorted({label for nlp in pipelines for each in nlp.pipe_labels.values() for label in each})
        for number, (path, column) in enumerate(zip(paths, st.columns(len(paths)))):
            with column:
                if len(paths) > 1:
                    st.subheader(path)
                key = (path, note_id, text, tuple(questions), wanted)
                show(
                    path, key, f"view {number}", text=text, note_id=note_id, questions=questions, extras=extras,
                    concepts=as_concepts(tables[0] if tables else None), labels=colours if len(paths) > 1 else (),
                )  # fmt: skip
    except (
        ImportError,
        OSError,
        ValueError,
    ) as error:  # none holds the note: what a component raises is told by its kind alone
        st.error(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])

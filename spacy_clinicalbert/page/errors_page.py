"""The page of what a pipeline gets wrong in annotated notes, as one HTML file that needs no other."""

from typing import Any, Dict, List

from ..evaluation.mistakes import KINDS, RIGHT, Mistake, Mistakes, place_of
from .characters import one_line
from .renderer import Mark, NoteRenderer
from .templates import render

AROUND = 120  # characters of the note on both sides of a mistake
LONGEST = 600  # characters that are shown of one
BEGINNING = 300  # characters of a note with wrong categories


def errors_page(mistakes: Mistakes, *, name: str, about: str = "", max_errors: int = 200) -> str:
    """Make the page.

    mistakes (Mistakes): As `evaluation.mistakes.find_mistakes` gives them.
    name (str): Its heading.
    about (str): A line below it.
    max_errors (int): The most entities that are shown, and the most notes with wrong categories; kinds share it evenly. All are counted.
    RETURNS (str): HTML. It holds pieces of the notes.
    """
    renderer = NoteRenderer({"labels": sorted(mistakes.counts)})
    kinds: List[Dict[str, Any]] = []
    for kind in KINDS:
        rows = [each for each in mistakes.entities if each.kind == kind]
        if rows:
            kinds.append({"name": kind, "count": len(rows), "rows": rows})
    left = max_errors
    for number, group in enumerate(sorted(kinds, key=lambda group: group["count"])):
        shown = group["rows"][: -(-left // (len(kinds) - number)) if left else 0]
        left -= len(shown)
        group["rows"] = [_entity_row(each, mistakes, renderer) for each in shown]
    table = [
        {"label": label, "counts": [counts[RIGHT], *(counts[kind] for kind in KINDS)]}
        for label, counts in sorted(
            mistakes.counts.items(), key=lambda item: (item[1][RIGHT] - item[1].total(), item[0])
        )
    ]
    notes = mistakes.notes.get("cats", [])
    categories = [
        {
            "name": notes[each.note].name,
            "gold": each.gold,
            "found": each.found,
            "text": one_line(notes[each.note].text[:BEGINNING]),
        }
        for each in mistakes.categories[:max_errors]
    ]
    return render(
        "errors.html",
        name=name,
        about=about,
        kinds=kinds,
        columns=[RIGHT, *KINDS],
        table=table,
        n_notes={task: len(each) for task, each in mistakes.notes.items()},
        categories=categories,
        n_categories=len(mistakes.categories),
        failures=mistakes.failures,
        embedded=False,
    )


def _entity_row(mistake: Mistake, mistakes: Mistakes, renderer: NoteRenderer) -> Dict[str, Any]:
    note = mistakes.notes["ents"][mistake.note]
    start, end = place_of(mistake)
    first, last = max(0, start - AROUND), min(len(note.text), end + AROUND, start + LONGEST)
    marks: List[Mark] = []
    for what, answer in (("gold", mistake.gold), ("found", mistake.found)):
        if answer is not None and answer[0] < last:
            probability = f", {mistake.probability:.0%}" if what == "found" and mistake.probability is not None else ""
            more = "(gold)" if what == "gold" else f"(found{probability})"
            place = {"start": answer[0] - first, "end": min(answer[1], last) - first}
            marks.append({**place, "label": answer[2], "more": more, "css": what})  # type: ignore[typeddict-item]
    return {
        "name": note.name,
        "place": f"{start} to {end}",
        "text": renderer.render_ents(note.text[first:last], marks, None),
    }

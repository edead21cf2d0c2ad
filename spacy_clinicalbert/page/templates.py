"""The page's templates, beside this file. Jinja2 escapes whatever is put into them."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader
from markupsafe import Markup

from .characters import one_line, visible


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf8")


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_read),
        # Whatever is printed, of the note or not, has its unseen characters written out; what is marked up already had them.
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.filters["one_line"] = one_line
    environment.filters["percent"] = lambda value: f"{value:.0%}"
    environment.globals["style"] = Markup(_read("style.css"))
    return environment


def render(template: str, /, **contents: Any) -> str:
    """RETURNS (str): A whole page.

    template (str): Its file.
    contents (Any): What it shows.
    """
    return _environment().get_template(template).render(**contents)

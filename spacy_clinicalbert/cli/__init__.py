"""The commands `python -m spacy clinicalbert …`, a file each. spaCy imports this at each of its commands: nothing heavy may be
imported here."""

from . import (  # noqa: F401
    annotate,
    calibrate,
    check,
    import_head,
    init,
    labels,
    plot,
    pretrain,
    quantize,
    render,
    serve,
    train,
    transfer,
    view,
)
from .app import app

__all__ = ["app"]

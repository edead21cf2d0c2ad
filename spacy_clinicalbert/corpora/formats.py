"""Every format that is read, by the name that `scripts/convert.py` and the registered readers have for it."""

from typing import Callable, Dict, Iterator

from .brat import brat_records
from .conll import conll_records
from .dialogues import dialogue_records
from .doccano import doccano_records
from .docs import Record
from .i2b2_2010 import i2b2_2010_records
from .i2b2_xml import i2b2_xml_records
from .jsonl import jsonl_records
from .label_studio import label_studio_records
from .mimic import mimic_records
from .mtsamples import mtsamples_records
from .negex import negex_records
from .parquet import parquet_records
from .prodigy import prodigy_records
from .pubtator import pubtator_records
from .squad import squad_records
from .tcga import tcga_records
from .uima import uima_records

FORMATS: Dict[str, Callable[..., Iterator[Record]]] = {
    "brat": brat_records,
    "conll": conll_records,
    "dialogues": dialogue_records,
    "doccano": doccano_records,
    "i2b2_2010": i2b2_2010_records,
    "i2b2_xml": i2b2_xml_records,
    "jsonl": jsonl_records,
    "label_studio": label_studio_records,
    "mimic": mimic_records,
    "mtsamples": mtsamples_records,
    "negex": negex_records,
    "parquet": parquet_records,
    "prodigy": prodigy_records,
    "pubtator": pubtator_records,
    "squad": squad_records,
    "tcga": tcga_records,
    "uima": uima_records,
}

"""Texts as notes have them and as no note should, and how many of them are tried."""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# FUZZ_CASES=5000 python -m pytest tests/properties tries as many of each, other ones each time.
LONG = os.environ.get("FUZZ_CASES")
PIECES = [
    "The patient denies chest pain", "aspirin 81 mg", "fever", "no", "history of", "cough", "lungs clear", ".", ". ", ", ", "; ", ": ", "\n", "\n\n", "\r\n",
    "\t", " ", "  ", "-", "- ", "/", "(", ")", "[**2101-1-1**]", "___", "HPI:", "PLAN:", "DIAGNOSIS:", "ALLERGIES", "Dr.", "b.i.d.", "120/80", "38.5C", "1/2",
    "pT2a", "pN1 (2/15)", "ypT3(m)", "M0", "stage IIIB", "AJCC 8th edition", "2.5 x 1.3 x 0.9 cm", "3 mm", "Grade 2", "G3", "ER positive (90%)", "HER2 1+",
    "Ki-67 20 %", "margins negative", "0.1 cm from the margin", "no lymphovascular invasion", "left breast", "right", "invasive ductal carcinoma", "nodes",
    "12 nodes", "0/12", "MSI-high", "PD-L1 50%", "e\u0301", "\u00e4", "\ufb01", "\u00b5g", "\u2265", "\u2009", "\u00a0", "\u200b", "\u200d", "\ufeff", "\u202e",
    "\x00", "\x07", "\x7f", "\ufffd", "\U0001f600", "\U0001f468\u200d\U0001f469", "\u4e2d\u6587", "\u05d0\u05d1", "\u0e01\u0e33", "\u1680", "\u2028", "\x85",
    "<script>", "&amp;", "[CLS]", "[SEP]", "[MASK]", "##ing", "</s>", "a" * 120,
]  # fmt: skip
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.sampled_from(PIECES), anything), max_size=30).map("".join)


def cases(part: float = 1.0) -> Any:
    """So many cases of a property; part (float): of a slow one fewer."""
    n = max(round(part * int(LONG or 40)), 5)
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(
        max_examples=n, deadline=None, derandomize=LONG is None, suppress_health_check=slow, print_blob=True
    )

"""Clinical terms: what the annotators of the public corpora marked in training notes as diseases, symptoms, drugs, tests and treatments."""

from typing import List, Set

from .files import FilePath
from .public import training_records

# MACCROBAT's labels; all of NCBI-disease and BC5CDR are diseases and chemicals.
LABELS = {"Disease_disorder", "Sign_symptom", "Medication", "Diagnostic_procedure", "Therapeutic_procedure"}


def clinical_terms(folder: FilePath) -> List[str]:
    """Gather the terms of those of the corpora that are there.

    folder (Union[str, Path]): Has a folder for each corpus.
    RETURNS (List[str]): Each once, in lower case, sorted.
    """
    terms: Set[str] = set()
    for corpus in ("ncbi_disease", "bc5cdr", "maccrobat2020"):
        for _, record in training_records(folder, only=corpus):
            for start, end, label, *_ in record["entities"]:
                if corpus != "maccrobat2020" or label in LABELS:
                    terms.add(" ".join(record["text"][start:end].lower().split()))
    return sorted(term for term in terms if len(term) >= 4 and any(letter.isalpha() for letter in term))

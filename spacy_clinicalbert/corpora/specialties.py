"""MTSamples files its notes under 40 headings, of which some say what kind of document a note is and some which specialty wrote it.
This table sorts them."""

from typing import Dict, NamedTuple, Tuple

NOTE_TYPE, SPECIALTY = "type", "specialty"
MIN_NOTES = 40  # of fewer a head can learn nothing, and they are counted as missing


class Heading(NamedTuple):
    """kind (str): "type" or "specialty". label (str): The category. notes (int): Notes under it, of the 2023 that were counted."""

    kind: str
    label: str
    notes: int


HEADINGS: Dict[str, Heading] = {
    "Autopsy": Heading(NOTE_TYPE, "autopsy_report", 7),
    "Consult - History and Phy.": Heading(NOTE_TYPE, "consult", 439),
    "Discharge Summary": Heading(NOTE_TYPE, "discharge_summary", 91),
    "Emergency Room Reports": Heading(NOTE_TYPE, "emergency_report", 66),
    "IME-QME-Work Comp etc.": Heading(NOTE_TYPE, "medicolegal_report", 16),
    "Lab Medicine - Pathology": Heading(NOTE_TYPE, "pathology_report", 7),
    "Letters": Heading(NOTE_TYPE, "letter", 19),
    "Office Notes": Heading(NOTE_TYPE, "office_note", 40),
    "Radiology": Heading(NOTE_TYPE, "radiology_report", 221),
    "SOAP / Chart / Progress Notes": Heading(NOTE_TYPE, "progress_note", 147),
    "Surgery": Heading(NOTE_TYPE, "operative_report", 947),
    "Allergy / Immunology": Heading(SPECIALTY, "allergy", 5),
    "Bariatrics": Heading(SPECIALTY, "bariatrics", 15),
    "Cardiovascular / Pulmonary": Heading(SPECIALTY, "cardiology_pulmonology", 322),
    "Chiropractic": Heading(SPECIALTY, "chiropractic", 12),
    "Cosmetic / Plastic Surgery": Heading(SPECIALTY, "plastic_surgery", 23),
    "Dentistry": Heading(SPECIALTY, "dentistry", 26),
    "Dermatology": Heading(SPECIALTY, "dermatology", 23),
    "Diets and Nutritions": Heading(SPECIALTY, "nutrition", 9),
    "ENT - Otolaryngology": Heading(SPECIALTY, "otolaryngology", 85),
    "Endocrinology": Heading(SPECIALTY, "endocrinology", 17),
    "Gastroenterology": Heading(SPECIALTY, "gastroenterology", 195),
    "General Medicine": Heading(SPECIALTY, "general_medicine", 219),
    "Hematology - Oncology": Heading(SPECIALTY, "hematology_oncology", 74),
    "Hospice - Palliative Care": Heading(SPECIALTY, "palliative_care", 5),
    "Nephrology": Heading(SPECIALTY, "nephrology", 67),
    "Neurology": Heading(SPECIALTY, "neurology", 180),
    "Neurosurgery": Heading(SPECIALTY, "neurosurgery", 80),
    "Obstetrics / Gynecology": Heading(SPECIALTY, "obstetrics_gynecology", 138),
    "Ophthalmology": Heading(SPECIALTY, "ophthalmology", 72),
    "Orthopedic": Heading(SPECIALTY, "orthopedics", 294),
    "Pain Management": Heading(SPECIALTY, "pain_management", 52),
    "Pediatrics - Neonatal": Heading(SPECIALTY, "pediatrics", 62),
    "Physical Medicine - Rehab": Heading(SPECIALTY, "rehabilitation", 17),
    "Podiatry": Heading(SPECIALTY, "podiatry", 45),
    "Psychiatry / Psychology": Heading(SPECIALTY, "psychiatry", 47),
    "Rheumatology": Heading(SPECIALTY, "rheumatology", 8),
    "Sleep Medicine": Heading(SPECIALTY, "sleep_medicine", 18),
    "Speech - Language": Heading(SPECIALTY, "speech_language", 7),
    "Urology": Heading(SPECIALTY, "urology", 137),
}


def categories_of(specialties: Tuple[str, ...], kinds: Tuple[str, ...]) -> Dict[str, float]:
    """A note's categories of some kinds, as far as they are known.

    specialties (Tuple[str, ...]): The headings that the note stands under.
    kinds (Tuple[str, ...]): "type", "specialty" or both.
    RETURNS (Dict[str, float]): 1 for each heading of the note that has `MIN_NOTES`, 0 for the others of its kind. Where the note has no such
        heading of a kind, none of that kind is in it: the note's type (or specialty) is not known, or is too rare.
    RAISES (KeyError): A heading is not in the table.
    """
    own = {HEADINGS[name] for name in specialties}
    cats: Dict[str, float] = {}
    for kind in kinds:
        common = [each for each in HEADINGS.values() if each.kind == kind and each.notes >= MIN_NOTES]
        if own & set(common):
            cats.update({each.label: float(each in own) for each in common})
    return cats

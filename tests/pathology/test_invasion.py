import pytest

from spacy_clinicalbert.pathology.component import read_report

FIELDS = ("lymphovascular_invasion", "perineural_invasion")


def invasion(text):
    record = read_report(text)
    return [[value.value for value in getattr(record, field)] for field in FIELDS]


# What is said of vessels, and of nerves.
@pytest.mark.parametrize(
    "text, vessels, nerves",
    [
        # "No" is the answer of the item before it.
        ("Capsular rupture: No. Lymphovascular invasion: Present.", ["present"], []),
        ("Capsular rupture: No\nLymphovascular invasion: Present\nPerineural invasion: No", ["present"], ["absent"]),
        ("- Ulceration: no\n- lymphovascular invasion: present\n- perineural invasion: no\n", ["present"], ["absent"]),
        ("Vascular invasion: No. Perineural invasion: Yes.", ["absent"], ["present"]),
        ("Vascular invasion: No Perineural invasion: Yes", ["absent"], ["present"]),
        ("vascular invasion: no. perineural invasion: no.", ["absent"], ["absent"]),
        ("VASCULAR INVASION: NO. PERINEURAL INVASION: YES.", ["absent"], ["present"]),
        ("ULCERATION: NO. VASCULAR INVASION PRESENT.", ["present"], []),
        ("Ulceration: No. Vascular invasion is identified.", ["present"], []),
        ("Is there ulceration? No. Vascular invasion is identified.", ["present"], []),
        ("Ulceration: No; vascular and perineural invasion: present", ["present"], ["present"]),
        ("PNI: No\nLVI: Yes", ["present"], ["absent"]),
        # It still negates what it belongs to.
        ("Comment: No vascular invasion is seen.", ["absent"], []),
        ("There is no. vascular invasion.", ["absent"], []),
        ("THERE IS NO. VASCULAR INVASION.", ["absent"], []),
        # short names
        ("No LVI or PNI.", ["absent"], ["absent"]),
        ("No LVI. PNI present.", ["absent"], ["present"]),
        ("LVSI: not identified.", ["absent"], []),
        ("Carcinoma with LVI; no definite PNI.", ["present"], ["absent"]),
        ("LVI/PNI: absent", ["absent"], ["absent"]),
        ("Suspicious for LVSI.", ["indeterminate"], []),
        ("LVI (lymphovascular invasion): present", ["present"], []),
        # lists
        ("No evidence of lymphatic, vascular, venous or perineural invasion.", ["absent"], ["absent"]),
        ("The tumor shows lymphatic, venous and perineural invasion.", ["present"], ["present"]),
        ("No vascular or perineural invasion present.", ["absent"], ["absent"]),
        ("No vascular invasion, perineural invasion present.", ["absent"], ["present"]),
        ("NO VASCULAR INVASION. PERINEURAL INVASION PRESENT.", ["absent"], ["present"]),
        ("Vascular invasion\n\nPerineural invasion: absent", [], ["absent"]),
        # words
        ("Macrovascular invasion absent; microvascular invasion present.", ["absent", "present"], []),
        ("Neurovascular invasion: present. Perivascular infiltration is present.", [], []),
        ("An intravenous infiltration is noted.", [], []),
        ("LVIS is noted. Alvi, present.", [], []),
    ],
)  # fmt: skip
def test_invasion_is_read_item_by_item(text, vessels, nerves):
    assert invasion(text) == [vessels, nerves]


@pytest.mark.parametrize(
    "text, field, evidence",
    [
        ("There is no vascular or perineural invasion.", "perineural_invasion", "no vascular or perineural invasion"),
        ("There is no vascular or perineural invasion.", "lymphovascular_invasion", "no vascular or perineural invasion"),
        ("Microvascular invasion present.", "lymphovascular_invasion", "Microvascular invasion present"),
        ("Lymphatic and perineural\ninvasion: absent", "perineural_invasion", "perineural\ninvasion: absent"),
        ("Vein invasion: no", "lymphovascular_invasion", "Vein invasion: no"),
    ],
)  # fmt: skip
def test_invasion_evidence_is_understood_alone(text, field, evidence):
    assert [place.text for value in getattr(read_report(text), field) for place in value.evidence] == [evidence]

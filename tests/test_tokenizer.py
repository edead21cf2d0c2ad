import pickle

import pytest
import spacy
from spacy.tokenizer import Tokenizer

from spacy_clinicalbert.tokenizer import blank_clinical

pytestmark = pytest.mark.usefixtures("all_special_cases")
CASES = {
    "25mg 2.5mg/kg/day 20mEq/L.": "25|mg 2.5|mg|/|kg|/|day 20|mEq|/|L|.",
    "81MG 5MCG/ML 20MEQ 10CC K562": "81|MG 5|MCG|/|ML 20|MEQ 10|CC K562",
    "q6h q4-6h b.i.d. p.o. i.v.": "q6h q4-6h b.i.d. p.o. i.v.",
    "3x4cm 10×5mm 3cmx4cm 3CMx4CM": "3|x|4|cm 10|×|5|mm 3|cm|x|4|cm 3|CM|x|4|CM",
    "103cells 3weeks": "103|cells 3|weeks",
    "T2N0M0 pT2aN1bMX TisN0M0": "T2|N0|M0 pT2a|N1b|MX Tis|N0|M0",
    "CD4+/CD8- K+ IL-2 COVID-19": "CD4|+|/|CD8|- K|+ IL-2 COVID-19",
    "and/or s/p S/P w/o L4/L5 120/80": "and/or s/p S/P w/o L4|/|L5 120/80",
    "12/25/2001, 2001-12-25. 12.1.2001": "12/25/2001|, 2001-12-25|. 12.1.2001",
    "[**2101-1-1**]. ([**Hospital 12**])": "[**2101-1-1**]|. (|[**|Hospital 12|**]|)",
    "Mr.[**Name**] pt.[**Name 1**].": "Mr.|[**|Name|**] pt.|[**|Name 1|**]|.",
    "Name:____ ======== ***FINAL***": "Name|:|____ ======== ***|FINAL|***",
    "hepatitis C. class Ⅱ. Stage III).[9]": "hepatitis C|. class Ⅱ|. Stage III|)|.|[|9|]",
    "EF=0.20 <5 ≥3 p<0.05": "EF|=|0.20 <|5 ≥|3 p|<|0.05",
    "infection.1 risk[4] layer.(Fig.2)": "infection|.|1 risk|[|4|] layer|.|(|Fig|.|2|)",
    "im id Mass. 8) can't Dr. vs. 8am": "im id Mass|. 8|) ca|n't Dr. vs. 8|am",
    "5-FU 99mTc 2D 1st HbA1c": "5|-|FU 99mTc 2D 1st HbA1c",
}


@pytest.fixture(scope="module")
def nlp():
    return blank_clinical()


@pytest.mark.parametrize("text, tokens", CASES.items())
def test_tokenizer_cuts_clinical_text(nlp, text, tokens):
    assert [token.text for token in nlp(text)] == tokens.replace(" ", "|").split("|")


@pytest.mark.parametrize("text", CASES)
def test_tokenizer_loses_no_character(nlp, text):
    text = f"  {text}\n\n\t{text} "
    assert nlp(text).text == text


def test_tokenizer_is_spacys_own_and_named_by_a_config(nlp):
    assert type(nlp.tokenizer) is Tokenizer
    assert nlp.config["nlp"]["tokenizer"] == {"@tokenizers": "spacy-clinicalbert.ClinicalTokenizer.v1"}
    assert spacy.blank("en", config={"nlp": nlp.config["nlp"]}).tokenizer.token_match("b.i.d.")


@pytest.mark.parametrize("through", ["disk", "pickle"])
def test_tokenizer_survives_saving(nlp, tmp_path, through):
    if through == "disk":
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
    else:
        loaded = pickle.loads(pickle.dumps(nlp))
    for text, tokens in CASES.items():
        assert [token.text for token in loaded(text)] == tokens.replace(" ", "|").split("|")


def test_tokenizer_works_in_a_memory_zone(nlp):
    with nlp.memory_zone():
        assert [token.text for token in nlp("zzgrmpf25mg")] == ["zzgrmpf25", "mg"]
    assert [token.text for token in nlp("25mg")] == ["25", "mg"]

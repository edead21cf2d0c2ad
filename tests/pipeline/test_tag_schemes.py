import pytest

from spacy_clinicalbert.pipeline.crf import BEGIN, IN, LAST, UNIT
from spacy_clinicalbert.pipeline.tag_schemes import read_scheme


@pytest.mark.parametrize(
    "names, name, labels, outside, tags",
    [
        ("O B-PROBLEM I-PROBLEM B-TEST I-TEST", "prefixes BI", ["PROBLEM", "TEST"], 0, [BEGIN, IN, BEGIN, IN]),
        ("B-Disease I-Disease 0", "prefixes BI", ["Disease"], 2, [BEGIN, IN]),
        ("I-PER O", "prefixes I", ["PER"], 1, [IN]),
        ("O B_X I_X E_X S_X", "prefixes BEIS", ["X"], 0, [BEGIN, IN, LAST, UNIT]),
        ("B-X I-X L-X O U-X", "prefixes BILU", ["X"], 3, [BEGIN, IN, LAST, UNIT]),
        ("O B-X M-X E-X S-X", "prefixes BEMS", ["X"], 0, [BEGIN, IN, LAST, UNIT]),
        ("O NAME DATE", "no prefixes", ["NAME", "DATE"], 0, [IN, IN]),
        ("DATE o", "no prefixes", ["DATE"], 1, [IN]),
        ("o b-problem i-problem b-test i-test", "prefixes BI", ["problem", "test"], 0, [BEGIN, IN, BEGIN, IN]),
        ("o b_cell s_code", "no prefixes", ["b_cell", "s_code"], 0, [IN, IN]),
        ("B-X-Y O I-X-Y", "prefixes BI", ["X-Y"], 1, [BEGIN, IN]),
    ],
)
def test_scheme_is_read_from_the_names(names, name, labels, outside, tags):
    scheme = read_scheme(names.split())
    assert (scheme.name, scheme.labels, scheme.outside) == (name, labels, outside)
    assert [tag for _, tag, _ in scheme.outputs] == tags
    assert sorted([outside, *(output for output, *_ in scheme.outputs)]) == list(range(len(names.split())))


@pytest.mark.parametrize(
    "names, message",
    [
        ("LABEL_0 LABEL_1 LABEL_2", r"no names, only LABEL_0.*id2label.*B-PROBLEM"),
        ("LABEL_0", "no names"),
        ("NAME DATE", "are 'O': none"),
        ("B-X I-X", "no prefix such as B- or I-: none"),
        ("O X B-X I-X [CLS]", r"'O', 'X', '\[CLS\]'"),
        ("O", "no label but 'O'"),
        ("O I-X M-X", "mean the same"),
    ],
)
def test_names_that_do_not_say_it_are_an_error_that_says_what_to_set(names, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_scheme(names.split())
    assert "id2label" in str(caught.value)

"""What is known of the checkpoints that clinical users reach for. Many say too little about themselves: without a
tokenizer_config.json that says otherwise, transformers lower-cases every WordPiece vocabulary."""

from typing import Dict, NamedTuple, Optional


class Preset(NamedTuple):
    """Facts about a checkpoint.

    hub_id (str): Its name on the Hugging Face hub.
    lowercase (Optional[bool]): Whether its tokenizer lower-cases. None where its makers don't say: the vocabulary
        decides. Byte-level vocabularies keep case.
    positions (int): The longest input in wordpieces, special tokens included.
    licence (Optional[str]): As its model card has it; None where it has none.
    source (str): The paper.
    """

    hub_id: str
    lowercase: Optional[bool]
    positions: int
    licence: Optional[str]
    source: str


# fmt: off
PRESETS: Dict[str, Preset] = {
    # BERT pretrained on MIMIC-III notes from BioBERT; neither has a tokenizer config.
    "bio-clinicalbert": Preset("emilyalsentzer/Bio_ClinicalBERT", False, 512, "MIT", "arXiv 1904.03323"),
    "bio-discharge-summary-bert": Preset("emilyalsentzer/Bio_Discharge_Summary_BERT", False, 512, "MIT", "arXiv 1904.03323"),
    # DistilBERT with multilingual BERT's cased vocabulary; its tokenizer config is silent about case.
    "medicalai-clinicalbert": Preset("medicalai/ClinicalBERT", None, 512, None, "doi 10.1038/s41591-023-02552-9"),
    "biobert": Preset("dmis-lab/biobert-v1.1", False, 512, None, "arXiv 1901.08746"),
    "biobert-v1.2": Preset("dmis-lab/biobert-base-cased-v1.2", False, 512, None, "arXiv 1901.08746"),
    "biomedbert": Preset("microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext", True, 512, "MIT", "arXiv 2007.15779"),
    "biomedbert-abstract": Preset("microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract", True, 512, "MIT", "arXiv 2007.15779"),
    # Megatron-BERT, width 1024, and 2560 for the medium one; without a tokenizer config.
    "gatortron-base": Preset("UFNLP/gatortron-base", None, 512, "Apache-2.0", "arXiv 2203.03540"),
    "gatortron-medium": Preset("UFNLP/gatortron-medium", None, 512, "Apache-2.0", "arXiv 2203.03540"),
    "gatortron-s": Preset("UFNLP/gatortronS", None, 512, "Apache-2.0", "arXiv 2305.13523"),
    "bioclinical-modernbert-base": Preset("thomas-sounack/BioClinical-ModernBERT-base", None, 8192, "MIT", "arXiv 2506.10896"),
    "bioclinical-modernbert-large": Preset("thomas-sounack/BioClinical-ModernBERT-large", None, 8192, "MIT", "arXiv 2506.10896"),
    "scibert": Preset("allenai/scibert_scivocab_uncased", True, 512, None, "arXiv 1903.10676"),
    "scibert-cased": Preset("allenai/scibert_scivocab_cased", False, 512, None, "arXiv 1903.10676"),
    "biolinkbert-base": Preset("michiyasunaga/BioLinkBERT-base", True, 512, "Apache-2.0", "arXiv 2203.15827"),
    "biolinkbert-large": Preset("michiyasunaga/BioLinkBERT-large", True, 512, "Apache-2.0", "arXiv 2203.15827"),
    "sapbert": Preset("cambridgeltl/SapBERT-from-PubMedBERT-fulltext", True, 512, "Apache-2.0", "arXiv 2010.11784"),
    "bluebert": Preset("bionlp/bluebert_pubmed_mimic_uncased_L-12_H-768_A-12", True, 512, "CC0-1.0", "arXiv 1906.05474"),
    "distil-clinicalbert": Preset("nlpie/distil-clinicalbert", False, 512, None, "arXiv 2302.04725"),
    "clinical-distilbert": Preset("nlpie/clinical-distilbert", False, 512, "MIT", "arXiv 2302.04725"),
    "tiny-clinicalbert": Preset("nlpie/tiny-clinicalbert", False, 512, "MIT", "arXiv 2302.04725"),
    "all-minilm-l6-v2": Preset("sentence-transformers/all-MiniLM-L6-v2", True, 512, "Apache-2.0", "arXiv 2002.10957"),
}
# fmt: on

# Short name → the folder of spacy_clinicalbert.assets that holds the checkpoint, which comes with the package.
EMBEDDED: Dict[str, str] = {"mini": "clinicalbert-mini"}

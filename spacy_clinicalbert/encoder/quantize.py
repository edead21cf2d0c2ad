"""Make the int8 network of an encoder, calibrated on its user's own notes."""

import logging
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Union

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from ..corpora.formats import spacy_docs
from ..corpora.jsonl import jsonl_records
from ..loading import find_pipeline, open_pipeline, save_pipeline
from .agreement import agreement
from .component import ClinicalBert
from .conversion import Quantized, to_openvino
from .forward import takes_types
from .openvino_core import INSTALL_OPENVINO, has_openvino, import_openvino
from .plan import make_plan, plan_docs, plan_passes
from .shim import shim_of

# Positions of a calibration pass, and how many passes: enough for the ranges of activations to settle.
PASS_ITEMS = 512
MAX_PASSES = 128


class Recipe(NamedTuple):
    """Which matrix products become int8.

    name (str): For reports.
    narrowing (bool): Also those from a wider to a narrower layer, the second of each feed-forward block. They read what
        GELU gives, whose few large values cost the others their precision.
    lower_half (bool): Also those of the lower half of the layers, whose errors all others take over.
    """

    name: str
    narrowing: bool = True
    lower_half: bool = True


# From the fastest to the most careful.
RECIPES = (
    Recipe("all products"),
    Recipe("without the second of each feed-forward block", narrowing=False),
    Recipe("nor any of the lower half of the layers", narrowing=False, lower_half=False),
)


def quantize_network(model: Model, docs: List[Doc], recipe: Recipe = RECIPES[0]) -> Quantized:
    """Quantize an encoder's network after training: weights and activations of its matrix products become int8, with
    ranges that the network takes on the Docs. What is not quantized runs in bfloat16 or float32.

    model (Model): As `model.Encoder` makes it, with weights.
    docs (List[Doc]): What to calibrate on; of many, the first passes are enough.
    RAISES (ValueError): OpenVINO or NNCF is not installed, or there is no text to calibrate on.
    """
    if not has_openvino():
        raise ValueError(f"To quantize, OpenVINO is needed. {INSTALL_OPENVINO}")
    openvino = import_openvino()
    try:
        import nncf
    except ImportError as err:
        raise ValueError(f"To quantize, NNCF is needed. {INSTALL_OPENVINO}") from err
    logging.getLogger("nncf").setLevel(logging.WARNING)
    passes = list(_calibration_passes(model, docs))
    if not passes:
        raise ValueError("There is no text to calibrate on. Give notes with text, a few hundred of them.")
    network = to_openvino(shim_of(model).network)
    quantized = nncf.quantize(
        network,
        nncf.Dataset(passes),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(passes),
        ignored_scope=nncf.IgnoredScope(names=_kept_products(network, recipe)),
    )
    return _serialize(openvino, quantized)


def quantize_pipeline(
    source: Union[str, Path],
    notes: Path,
    target: Path,
    *,
    min_agreement: float = 0.985,
    max_notes: int = 400,
    say: Callable[[str], None] = print,
) -> Dict[str, float]:
    """Write a pipeline whose encoder predicts in int8; see `python -m spacy clinicalbert quantize --help`.

    source (Union[str, Path]): A folder or an installed package.
    notes (Path): JSON lines with "text", or .spacy. Every other note calibrates, the others are compared on.
    target (Path): The folder to write to.
    min_agreement (float): The least `agreement` with float32 in every head.
    max_notes (int): Take no more than these, at equal distances.
    say (Callable[[str], None]): Gets a line for each recipe that is tried.
    RETURNS (Dict[str, float]): The agreement of what was written.
    RAISES (ValueError): No recipe agrees enough; or something is missing, and what.
    """
    nlp = open_pipeline(source)
    encoders = {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, ClinicalBert)}
    if not encoders:
        raise ValueError(f"The pipeline '{source}' has no component of the factory clinicalbert to quantize.")
    if target.resolve() == find_pipeline(source).resolve():
        raise ValueError("Write to another folder than the pipeline's: the two are to be compared.")
    texts = _read_texts(notes, nlp, max_notes)
    calibrating, comparing = texts[::2], texts[1::2]
    expected = _annotate(nlp, encoders, comparing, "float32")
    if not agreement(expected, expected):
        raise ValueError(f"No head of '{source}' annotates these notes, so that nothing can be compared.")
    for recipe in RECIPES:
        for encoder in encoders.values():
            docs = [nlp.make_doc(text) for text in calibrating]
            encoder.shim.quantized = quantize_network(encoder.model, docs, recipe)
        shares = agreement(expected, _annotate(nlp, encoders, comparing, "int8"))
        shown = ", ".join(f"{head} {share:.2%}" for head, share in shares.items())
        say(f"int8, {recipe.name}: agreement with float32 on {len(comparing)} other notes: {shown}")
        if min(shares.values()) >= min_agreement:
            _save(nlp, encoders, target)
            say(f"Written to {target}")
            return shares
    raise ValueError(
        f"No recipe agrees with float32 by {min_agreement:.2%} in every head; nothing was written. Give more notes, of the "
        "kind that the pipeline is for; or accept less with --min-agreement."
    )


def _read_texts(notes: Path, nlp: Language, max_notes: int) -> List[str]:
    if notes.suffix == ".spacy" or notes.is_dir():
        texts = [doc.text for doc in spacy_docs(notes, nlp.vocab)]
    else:
        texts = [record["text"] for record in jsonl_records(notes)]
    texts = [text for text in dict.fromkeys(texts) if text.strip()]
    if len(texts) < 4:
        raise ValueError(f"'{notes}' has {len(texts)} different notes with text. Give a few hundred, and at least 4.")
    places = numpy.linspace(0, len(texts) - 1, min(max_notes, len(texts))).astype(int)
    return [texts[place] for place in places]


def _annotate(nlp: Language, encoders: Dict[str, ClinicalBert], texts: List[str], precision: str) -> List[Doc]:
    for encoder in encoders.values():
        encoder.shim.precision = precision
        encoder.shim.forget()
    docs = []
    for doc in nlp.pipe(texts):
        doc._.trf_data = None  # the vectors of all notes would be held at once
        docs.append(doc)
    return docs


def _save(nlp: Language, encoders: Dict[str, ClinicalBert], target: Path) -> None:
    save_pipeline(nlp, target)
    config = Config().from_disk(target / "config.cfg", interpolate=False)
    for name in encoders:
        config["components"][name]["model"]["precision"] = "int8"
    config.to_disk(target / "config.cfg")


def _calibration_passes(model: Model, docs: List[Doc]) -> Iterator[List[numpy.ndarray]]:
    """YIELDS (List[ndarray]): The network's inputs, in the order of `to_openvino`, (n_windows, length) each."""
    shim = shim_of(model)
    plan = make_plan(plan_docs(model, docs), distinct=True)
    numbers = numpy.random.default_rng(0).permutation(len(plan.work.keys))
    n_passes = 0
    # Shuffled and in small parts, so that what is taken has windows of all lengths.
    for part in numpy.array_split(numbers, max(1, len(numbers) // 32)):
        for ids, mask, *_ in plan_passes(model, plan, part, max_items=PASS_ITEMS):
            if n_passes == MAX_PASSES:
                return
            n_passes += 1
            inputs = [ids, mask, torch.zeros_like(ids)][: 3 if takes_types(shim.network) else 2]
            yield [tensor.cpu().numpy() for tensor in inputs]


def _kept_products(network: Any, recipe: Recipe) -> List[str]:
    """The names of the matrix products that stay as they are."""
    products = []
    for operation in network.get_ordered_ops():
        if operation.get_type_name() == "MatMul":
            shape = _weights_shape(operation)
            if shape is not None:
                products.append((operation.get_friendly_name(), shape[1] > shape[0]))
    return [
        name
        for i, (name, narrows) in enumerate(products)
        if (narrows and not recipe.narrowing) or (i < len(products) // 2 and not recipe.lower_half)
    ]


def _weights_shape(product: Any) -> Optional[List[int]]:
    """The shape of a product's weights, (width out, width in); None where it multiplies activations."""
    source = product.input_value(1).get_node()
    while source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    return list(source.get_output_shape(0)) if source.get_type_name() == "Constant" else None


def _serialize(openvino: Any, network: Any) -> Quantized:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.xml"
        openvino.save_model(network, path, compress_to_fp16=False)
        return Quantized(path.read_bytes(), path.with_suffix(".bin").read_bytes())

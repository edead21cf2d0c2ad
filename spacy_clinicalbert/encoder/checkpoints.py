"""Where an encoder's weights and tokenizer come from: the package, a preset, a hub id or a folder; and where they go."""

import copy
import json
import logging
import tempfile
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError, safe_open
from thinc.api import get_torch_default_device
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from .network_types import usable_positions
from .presets import EMBEDDED, PRESETS, Preset
from .trust import check_layers, check_sizes

logger = logging.getLogger(__name__)

SAVED_PRECISIONS = ("float32", "float16")


@dataclass
class Checkpoint:
    """A network with the tokenizer that it was trained with.

    network (transformers.PreTrainedModel): float32, on the CPU, without a head.
    tokenizer (transformers.PreTrainedTokenizerFast): Pads, truncates and adds nothing unless told to.
    positions (int): The longest input in wordpieces, special tokens included.
    prefix, suffix (List[int]): The ids that the tokenizer puts around a single text, [CLS] and [SEP] for BERT.
    """

    network: Any
    tokenizer: Any
    positions: int
    prefix: List[int] = field(init=False)
    suffix: List[int] = field(init=False)

    def __post_init__(self) -> None:
        encoding = self.tokenizer("a", add_special_tokens=True, return_special_tokens_mask=True)
        ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
        self.prefix, self.suffix = ids[: special.index(0)], ids[len(special) - special[::-1].index(0) :]

    @property
    def max_window(self) -> int:
        """The longest window in wordpieces, special tokens not counted."""
        return self.positions - len(self.prefix) - len(self.suffix)

    @property
    def width(self) -> int:
        return self.network.config.hidden_size


def load_checkpoint(
    name: str,
    *,
    revision: Optional[str] = None,
    local_files_only: bool = False,
    lowercase: Optional[bool] = None,
    attention_dropout: Optional[float] = None,
) -> Checkpoint:
    """Load a checkpoint's network and tokenizer.

    name (str): "mini", the encoder that comes with the package; a folder as the hub has it, a preset's short name, or a hub id; a folder of
        that name wins.
    revision (Optional[str]): Branch, tag or commit on the hub.
    local_files_only (bool): Use the hub's local cache only.
    lowercase (Optional[bool]): Whether the tokenizer lower-cases. None takes what the preset says, else the
        checkpoint's own tokenizer files, else whether its vocabulary has upper-case letters.
    attention_dropout (Optional[float]): What share of the attention weights training drops, in place of what the
        checkpoint says.
    RETURNS (Checkpoint): The network in float32, in evaluation mode.
    RAISES (ValueError): The checkpoint is missing, incomplete or contradicts itself.
    """
    source, preset, options = resolve_name(name, revision, local_files_only)
    tokenizer = load_tokenizer(name, revision=revision, local_files_only=local_files_only, lowercase=lowercase)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **options)
        for key in ("attention_probs_dropout_prob", "attention_dropout"):
            if attention_dropout is not None and hasattr(config, key):
                setattr(config, key, attention_dropout)
        if Path(source).is_dir():
            check_sizes(config, Path(source))
        with without_warnings():
            # Only safetensors, or pickles through torch's weights-only loader: a checkpoint must not run code.
            network, info = AutoModel.from_pretrained(
                source,
                config=config,
                # On CPUs torch's fused attention trains at 75 to 95 % of the speed (torch 2.13, benchmarks/RESULTS.md).
                attn_implementation="eager" if get_torch_default_device().type == "cpu" else None,
                output_loading_info=True,
                weights_only=True,
                trust_remote_code=False,
                **options,
            )
    except Exception as err:
        raise ValueError(_load_error(source, "weights", err)) from err
    missing = [key for key in info["missing_keys"] if "pooler" not in key and "position_ids" not in key]
    if missing or info["mismatched_keys"]:
        raise ValueError(
            f"'{source}' is not a whole checkpoint of a '{network.config.model_type}' network: it lacks, or has in "
            f"another shape, {len(missing) + len(info['mismatched_keys'])} weights, such as "
            f"'{(missing or [key for key, *_ in info['mismatched_keys']])[0]}'. Check that config.json and the "
            "weights belong together."
        )
    check_layers(network, info, source)
    if len(tokenizer) > network.config.vocab_size:
        raise ValueError(
            f"'{source}' contradicts itself: its tokenizer has {len(tokenizer)} wordpieces, its network embeds "
            f"{network.config.vocab_size}. Take the tokenizer that belongs to these weights."
        )
    positions = usable_positions(network.config)
    if preset and preset.positions < positions:
        positions = preset.positions
    tokenizer.model_max_length = positions
    return Checkpoint(network.float().eval(), tokenizer, positions)


def read_width(name: str) -> int:
    """RETURNS (int): The width of a checkpoint's vectors, by its config.json; see `load_checkpoint` for the name, and what is raised."""
    source, _, options = resolve_name(name, None, False)
    try:
        return int(AutoConfig.from_pretrained(source, trust_remote_code=False, **options).hidden_size)
    except Exception as err:
        raise ValueError(_load_error(source, "configuration", err)) from err


@contextmanager
def without_warnings() -> Iterator[None]:
    """Let transformers load without its warnings of weights that are new or not used: whoever loads checks them, and not all matter. Nor does
    the hub's client tell of each try without a network: the error says it once."""
    levels = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(levels[0])
        hub_logging.set_verbosity(levels[1])


def load_tokenizer(
    name: str,
    *,
    revision: Optional[str] = None,
    local_files_only: bool = False,
    lowercase: Optional[bool] = None,
) -> Any:
    """Load a checkpoint's tokenizer alone, with the casing of its vocabulary; see `load_checkpoint`.

    RETURNS (transformers.PreTrainedTokenizerFast): With truncation and padding off.
    RAISES (ValueError): There is none, it has no offsets, or its casing contradicts its vocabulary.
    """
    source, preset, options = resolve_name(name, revision, local_files_only)
    tokenizer = _open_tokenizer(source, options)
    wanted = lowercase if lowercase is not None else preset.lowercase if preset else None
    if wanted is None and _is_wordpiece(tokenizer):
        # Where the files are silent, transformers lower-cases any vocabulary.
        wanted = _tokenizer_config(source, options).get("do_lower_case", not _has_upper_case(tokenizer))
    if wanted is not None and wanted != _lowercases(tokenizer):
        tokenizer = _open_tokenizer(source, {"do_lower_case": wanted, **options})
        if wanted != _lowercases(tokenizer):
            raise ValueError(
                f"lowercase = {str(wanted).lower()} has no effect on the tokenizer of '{source}', which brings a "
                "normaliser of its own. Change the normalizer in its tokenizer.json."
            )
    if lowercase is None and _is_wordpiece(tokenizer) and _has_upper_case(tokenizer) == _lowercases(tokenizer):
        cased, does = ("cased", "lower-cases") if _lowercases(tokenizer) else ("lower-case", "keeps case")
        raise ValueError(
            f"'{source}' contradicts itself: its vocabulary is {cased}, its tokenizer {does}, so that most words "
            f"would be unknown. Set lowercase = {str(not _lowercases(tokenizer)).lower()} in the model's config, or "
            "do_lower_case in the checkpoint's tokenizer_config.json."
        )
    # MiniLM's tokenizer.json cuts at 128 wordpieces and pads: nothing may be lost here.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def save_checkpoint(checkpoint: Checkpoint, folder: Path, precision: str = "float32") -> None:
    """Write a folder that `AutoModel.from_pretrained` and `AutoTokenizer.from_pretrained` open: safetensors, config.json and the
    tokenizer's files.

    precision (str): One of SAVED_PRECISIONS.
    RAISES (ValueError): A weight is too large for float16.
    """
    network = checkpoint.network
    if precision == "float16":
        network = copy.deepcopy(network).half()
        if not all(weights.isfinite().all() for weights in network.parameters()):
            raise ValueError(
                "The encoder has weights beyond 65504, which float16 cannot hold. Set its saved_precision to float32."
            )
    network.save_pretrained(folder, safe_serialization=True)
    checkpoint.tokenizer.save_pretrained(folder)


def checkpoint_to_files(checkpoint: Checkpoint) -> Dict[str, bytes]:
    """The files of `save_checkpoint`, as bytes by name."""
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(checkpoint, Path(folder))
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def checkpoint_from_files(files: Dict[str, bytes]) -> Checkpoint:
    """The checkpoint that `checkpoint_to_files` gave the files of."""
    with tempfile.TemporaryDirectory() as folder:
        for file_name, data in files.items():
            # Only the last part of a name: what is loaded must not write outside the folder.
            (Path(folder) / Path(file_name).name).write_bytes(data)
        return load_saved_checkpoint(Path(folder))


def load_saved_checkpoint(folder: Path) -> Checkpoint:
    """Load what `save_checkpoint` wrote, without hub or presets.

    RAISES (ValueError): Names the file that is missing, damaged or foreign.
    """
    again = "Copy the whole pipeline folder again, or train and save it anew."
    if not folder.is_dir():
        raise ValueError(
            f"'{folder}' is not a folder with config.json, model.safetensors and tokenizer files, as a saved "
            f"clinicalbert has it. A pipeline that another factory saved cannot be read here. {again}"
        )
    for file_name in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        path = folder / file_name
        if not path.is_file():
            raise ValueError(f"The saved encoder lacks '{path}'. {again}")
        try:
            json.loads(path.read_text(encoding="utf8"))
        except ValueError as err:
            raise ValueError(f"'{path}' of the saved encoder is damaged. {again}") from err
    weights = sorted(folder.glob("model*.safetensors"))
    if not weights:
        raise ValueError(f"The saved encoder lacks '{folder / 'model.safetensors'}'. {again}")
    for path in weights:
        if not path.is_file():
            raise ValueError(f"'{path}' of the saved encoder is no file. {again}")
        try:
            with safe_open(path, framework="pt"):
                pass
        except SafetensorError as err:
            raise ValueError(f"'{path}' of the saved encoder is damaged: {err}. {again}") from err
    # What was settled when the checkpoint was first loaded, by its preset or by the user, is not asked again.
    lowercase = _tokenizer_config(str(folder), {}).get("do_lower_case")
    return load_checkpoint(str(folder), local_files_only=True, lowercase=lowercase)


def resolve_name(
    name: str, revision: Optional[str], local_files_only: bool
) -> Tuple[str, Optional[Preset], Dict[str, Any]]:
    """Find a checkpoint. RETURNS: hub id or folder, its preset if it has one, and the options of `from_pretrained`."""
    if Path(name).is_dir():
        return str(Path(name)), None, {"local_files_only": True}
    if Path(name).is_file():
        raise ValueError(f"'{name}' is a file. Give the folder that holds the checkpoint.")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ValueError(f"There is no folder '{name}' to load a checkpoint from.")
    if name in EMBEDDED:
        return _embedded_folder(name), None, {"local_files_only": True}
    by_hub_id = {preset.hub_id: preset for preset in PRESETS.values()}
    preset = PRESETS.get(name) or by_hub_id.get(name)
    options = {"revision": revision or "main", "local_files_only": local_files_only}
    return (preset.hub_id if preset else name), preset, options


def _embedded_folder(name: str) -> str:
    folder = Path(str(files("spacy_clinicalbert.assets") / EMBEDDED[name]))
    if not (folder / "model.safetensors").is_file():
        raise ValueError(
            f"The encoder '{name}' belongs to the package, and this installation lacks it in '{folder}'. Install spacy-clinicalbert again."
        )
    return str(folder)


def _open_tokenizer(source: str, options: Dict[str, Any]) -> Any:
    try:
        with without_warnings():
            tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, trust_remote_code=False, **options)
    except Exception as err:
        raise ValueError(_load_error(source, "tokenizer", err)) from err
    if not tokenizer.is_fast:
        raise ValueError(
            f"The tokenizer of '{source}' is a slow one without character offsets, which align wordpieces with "
            "tokens. Convert it to a tokenizer.json with the library tokenizers."
        )
    return tokenizer


def _tokenizer_config(source: str, options: Dict[str, Any]) -> Dict[str, Any]:
    """The checkpoint's tokenizer_config.json, empty where it has none."""
    path = Path(source) / "tokenizer_config.json"
    if not Path(source).is_dir():
        try:
            path = Path(hf_hub_download(source, path.name, **options))
        except EntryNotFoundError:
            return {}
    return json.loads(path.read_text(encoding="utf8")) if path.is_file() else {}


def _is_wordpiece(tokenizer: Any) -> bool:
    return json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"] == "WordPiece"


def _has_upper_case(tokenizer: Any) -> bool:
    """Whether more than a stray few of the vocabulary's words have an upper-case letter."""
    special = set(tokenizer.all_special_tokens)
    words = [word for word in tokenizer.get_vocab() if word not in special and not word.startswith("[")]
    return sum(word != word.lower() for word in words) > len(words) / 100


def _lowercases(tokenizer: Any) -> bool:
    normalizer = tokenizer.backend_tokenizer.normalizer
    return normalizer is not None and normalizer.normalize_str("Ab") == "ab"


def _load_error(source: str, what: str, err: Exception) -> str:
    # transformers lists each network that it has, behind what is wrong.
    said = textwrap.shorten(f"{type(err).__name__}: {err}", 300, placeholder=" …")
    if Path(source).is_dir():
        files = sorted(path.name for path in Path(source).iterdir())
        return (
            f"Cannot load the {what} in the folder '{source}' ({said}). It must hold "
            f"config.json, the weights (model.safetensors, or pytorch_model.bin without pickled code) and the "
            f"tokenizer's files (vocab.txt or tokenizer.json), whole; it holds {', '.join(files) or 'nothing'}."
        )
    near = get_close_matches(source, [*EMBEDDED, *PRESETS], n=1)
    meant = f" Did you mean '{near[0]}'?" if near else ""
    return (
        f"There is no folder '{source}', and the {what} cannot be loaded from the Hugging Face hub or its local cache ({said}). "
        f"Check the id and the network; or download the checkpoint's folder elsewhere, and give its path as "
        f"name. Without a network there is {' or '.join(map(repr, EMBEDDED))}.{meant}"
    )

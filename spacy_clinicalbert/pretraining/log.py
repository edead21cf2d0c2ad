"""What a run tells while it trains: a progress bar, JSON lines, and TensorBoard where it is wanted."""

import json
import sys
from pathlib import Path
from typing import Any, Dict

from tqdm import tqdm

from ..folders import whole_file


class RunLog:
    """Writes to `log.jsonl` (and `tensorboard/`) of an output folder, for one process of the run only.

    output (Path): The folder.
    step (int): Where the run goes on; rows of later steps, which a kill has left, are taken out.
    n_steps (int): Where it ends.
    tensorboard (bool): Write for TensorBoard too.
    is_main (bool): Whether this is the process that writes.
    RAISES (ImportError): TensorBoard is not installed.
    """

    def __init__(self, output: Path, step: int, n_steps: int, tensorboard: bool, is_main: bool) -> None:
        self._path = output / "log.jsonl"
        self._is_main = is_main
        self._board: Any = None
        # Without a terminal there is no bar.
        self._bar = tqdm(total=n_steps, initial=step, unit="step", disable=None if is_main else True, file=sys.stderr)
        if not is_main:
            return
        rows = self._path.read_text(encoding="utf8").splitlines(keepends=True) if step and self._path.is_file() else []
        kept = [row for row in rows if row.endswith("\n") and json.loads(row)["step"] <= step]
        with whole_file(self._path) as part:
            part.write_text("".join(kept), encoding="utf8")
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise ImportError("tensorboard = true: pip install 'spacy-clinicalbert[pretrain]'.") from None
            self._board = SummaryWriter(str(output / "tensorboard"), purge_step=step + 1)

    def advance(self) -> None:
        self._bar.update()

    def row(self, step: int, group: str, values: Dict[str, float]) -> None:
        """Log some numbers of a step; the group is "train" or the name of a held-out set."""
        if not self._is_main:
            return
        with self._path.open("a", encoding="utf8") as file:
            file.write(json.dumps({"step": step, "group": group, **values}) + "\n")
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(f"{group}/{name}", value, step)
            self._board.flush()
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._bar.write(f"{step:>8}  {group:<12}  {shown}", file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        self._bar.close()
        if self._board:
            self._board.close()

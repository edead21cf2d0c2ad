"""The one OpenVINO core of a process: it is never taken down, and forks find no threads of it that are idle."""

import importlib.util
import os
import sys
from functools import cache
from typing import Any, Dict, List, Tuple
from weakref import WeakSet

INSTALL_OPENVINO = "Install it with: pip install 'spacy-clinicalbert[openvino]'"

Key = Tuple[Tuple[str, Any], ...]


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return "openvino" in sys.modules or importlib.util.find_spec("openvino") is not None


def import_openvino() -> Any:
    """Import OpenVINO. It would report its use over the network; without the module that does so, it does not."""
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def core() -> Any:
    """RETURNS (openvino.Core): That of this process."""
    return _core(os.getpid())


@cache
def _core(process: int) -> Any:
    """One a process, never taken down: each brings a CPU plugin that gives the thread a stack for signals, and puts back the
    one before it when it goes. Where two go in another order than the opposite of that in which they came, what is put back is freed
    memory, and the next SIGINT or SIGTERM that Python handles is a segmentation fault (seen with OpenVINO 2026.4, Linux)."""
    return import_openvino().Core()


class Compiled:
    """A network that is compiled for the CPU, in the process that makes it.

    model (openvino.Model): The network.
    options (Dict[str, Any]): OpenVINO's settings; "NUM_STREAMS" is how many passes run at once.
    """

    def __init__(self, model: Any, options: Dict[str, Any]):
        self.key: Key = tuple(sorted(options.items()))
        compiled = core().compile_model(model, "CPU", options)
        self.requests = [compiled.create_infer_request() for _ in range(options["NUM_STREAMS"])]
        _FORKS.note(self)


class _Forks:
    """OpenVINO keeps the threads of a network that is gone, and gives them to the next one of equal settings. A fork, as by `nlp.pipe(n_process=2)`, takes over
    its list of these, and not the threads: to compile there would wait for ever (seen with OpenVINO 2026.4, Linux). So for the time of a fork the idle ones are taken by
    networks of one operation, which the child never lets go, nor those that the parent had compiled."""

    def __init__(self) -> None:
        self.live: Any = WeakSet()
        # By settings, the most that lived at one time: as many sets of threads there are.
        self.peak: Dict[Key, int] = {}
        self.held: List[Any] = []
        self.inherited: List[Any] = []

    def note(self, compiled: Compiled) -> None:
        _watch_forks()
        self.live.add(compiled)
        self.peak[compiled.key] = max(self.peak.get(compiled.key, 0), self.n_live(compiled.key))

    def n_live(self, key: Key) -> int:
        return sum(compiled.key == key for compiled in list(self.live))

    def before(self) -> None:
        for key, peak in self.peak.items():
            for _ in range(peak - self.n_live(key)):
                self.held.append(core().compile_model(_smallest_network(), "CPU", dict(key)))

    def in_child(self) -> None:
        self.inherited.extend([*self.live, *self.held])
        self.live.clear()
        self.peak.clear()
        self.held.clear()


_FORKS = _Forks()


@cache
def _watch_forks() -> None:
    os.register_at_fork(before=_FORKS.before, after_in_parent=_FORKS.held.clear, after_in_child=_FORKS.in_child)


@cache
def _smallest_network() -> Any:
    openvino = import_openvino()
    from openvino import opset13

    given = opset13.parameter([1], openvino.Type.f32)
    return openvino.Model([opset13.relu(given)], [given])

"""A long run is stopped between two steps, not in one."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Dict, Optional, Type


class StopSignals:
    """Notes SIGINT and SIGTERM, so that a step can be finished; a second one does what it does elsewhere.

    number (Optional[int]): The signal that came.
    """

    def __init__(self) -> None:
        self.number: Optional[int] = None
        self._before: Dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # no other one gets signals
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: Optional[FrameType]) -> None:
        self.number = number
        signal.signal(number, self._before[number])

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

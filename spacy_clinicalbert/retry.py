"""One note that fails does not take its batch with it."""

from typing import Any, Callable, List


def or_apart(function: Callable[[List], List], items: List, fail: Callable[[Any, Exception], None]) -> List:
    """Call a function on a batch, or, where that fails, on each half of it, down to the items that it fails on.

    function (Callable[[List], List]): May be called on an item several times.
    items (List): The batch.
    fail (Callable[[Any, Exception], None]): Gets each item that fails alone, and the error. It may raise.
    RETURNS (List): What the function gave, without these.
    """
    if not items:
        return []
    try:
        return function(items)
    except Exception as err:  # whatever it is, spaCy's error handler decides; the default raises it
        if len(items) == 1:
            fail(items[0], err)
            return []
    half = len(items) // 2
    return or_apart(function, items[:half], fail) + or_apart(function, items[half:], fail)

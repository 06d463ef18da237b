"""What an error reporter would see of an error: the variables of its frames."""

from __future__ import annotations

import traceback
from pathlib import Path

TESTS = Path(__file__).parents[2]


def variables_of(error: BaseException | None) -> str:
    """The variables of all frames of ``error`` and its causes, but those of the tests, as their ``repr``."""
    texts: list[str] = []
    while error is not None:
        for frame, _line in traceback.walk_tb(error.__traceback__):
            if not Path(frame.f_code.co_filename).is_relative_to(TESTS):
                texts.append(repr(dict(frame.f_locals)))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts)

"""Settings of the local service: clock, quota, ARN form and injected faults."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from .arns import ArnForm


class Moment(Enum):
    """When the faults are consulted; a fault after the effect is an answer that was lost."""

    BEFORE_EFFECT = "before the effect"
    AFTER_EFFECT = "after the effect"


Faults = Callable[[str, Moment], None]
"""Called with an operation's name; what it raises takes the answer's place (a ``CleanRoomsError`` is answered as such)."""


def no_faults(operation: str, moment: Moment) -> None:
    """Let every operation go ahead."""


@dataclass(frozen=True)
class Settings:
    """How the local service behaves; ``requests_per_second`` is per operation, and 5 in the service's documentation."""

    arn_form: ArnForm = ArnForm.SERVICE_MODEL
    clock: Callable[[], float] = time.time
    requests_per_second: float | None = None
    faults: Faults = no_faults

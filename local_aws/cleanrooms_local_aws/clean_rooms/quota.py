"""The service's quota of requests a second, kept for each operation by a bucket that fills up steadily."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .exceptions import ThrottlingException


@dataclass
class Quota:
    """At most ``requests_per_second`` of each operation, at once or spread; None is no limit."""

    requests_per_second: float | None
    clock: Callable[[], float]
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By operation, how many requests it had left, and when (seconds since the epoch)."""

    def take(self, operation: str) -> None:
        """Count one request. Raises ThrottlingException where there are too many."""
        if self.requests_per_second is None:
            return
        size = max(1.0, self.requests_per_second)
        now = self.clock()
        left, since = self._buckets.get(operation, (size, now))
        left = min(size, left + (now - since) * self.requests_per_second)
        if left < 1:
            raise ThrottlingException(f"{operation} must be called at most {self.requests_per_second:g} times a second, got one more")
        self._buckets[operation] = (left - 1, now)

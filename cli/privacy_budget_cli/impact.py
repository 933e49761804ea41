"""What a differential-privacy budget would allow, as ``preview`` shows it in tables and in a chart."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Impact:
    """How many aggregations of each type one budget would allow."""

    epsilon: int
    users_noise_per_query: int
    max_counts: dict[str, int]

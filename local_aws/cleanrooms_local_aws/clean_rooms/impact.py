"""A local stand-in for how many aggregations a differential-privacy budget allows. It is NOT the service's formula.

AWS publishes no formula. One point is known, from screenshots of a public lab: epsilon 10 with noise 30 allows 165 AVG,
330 COUNT, 660 COUNT_DISTINCT and 220 SUM. The stand-in is exact there, and elsewhere only grows with epsilon and with noise, in
proportion to both. How many STDDEV that point allows is unknown too; the number here is invented.
"""

from collections.abc import Mapping
from typing import Final

KNOWN_EPSILON: Final = 10
KNOWN_USERS_NOISE_PER_QUERY: Final = 30
COUNTS_THERE: Final[Mapping[str, int]] = {"AVG": 165, "COUNT": 330, "COUNT_DISTINCT": 660, "SUM": 220, "STDDEV": 110}


def max_counts(epsilon: int, users_noise_per_query: int) -> dict[str, int]:
    """By type of aggregation, how many of them the local service allows under this budget."""
    there = KNOWN_EPSILON * KNOWN_USERS_NOISE_PER_QUERY
    return {aggregation: count * epsilon * users_noise_per_query // there for aggregation, count in COUNTS_THERE.items()}

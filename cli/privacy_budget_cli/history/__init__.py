"""``privacy-budget history``: the life of each budget as CloudTrail recorded it, and the sum of what was granted."""

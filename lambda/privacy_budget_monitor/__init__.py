"""Reads what is left of privacy budgets, on a schedule, and publishes it as CloudWatch metrics."""

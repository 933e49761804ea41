"""Reads remaining privacy budgets on a schedule, and publishes them as CloudWatch metrics."""

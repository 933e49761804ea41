"""Privacy budgets on the command line."""

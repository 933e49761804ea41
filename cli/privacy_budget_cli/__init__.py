"""Privacy budgets on the command line: their balances, what other values would allow, and what a deployment would do to them."""

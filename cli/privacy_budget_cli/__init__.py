"""Privacy budgets on the command line: what is left of them, what other values would allow, what a deployment would do to them."""

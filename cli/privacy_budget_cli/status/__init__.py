"""``privacy-budget status``: the templates of memberships or of a whole collaboration, and what remains of each budget."""

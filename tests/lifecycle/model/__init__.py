"""The lifecycle model: random histories of stacks, run through the handler on a fake Clean Rooms, and judged by an oracle."""

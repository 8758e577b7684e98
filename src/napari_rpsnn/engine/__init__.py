"""From sources to the all-in-focus image: devices, tiles, votes, decisions, pairs, stacks, heights. Knows torch."""

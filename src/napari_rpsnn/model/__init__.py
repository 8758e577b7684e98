"""The networks: R-PSNN, its weights and how each kind of hardware computes it best, and the one that decides."""

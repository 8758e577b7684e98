"""Rows of the panels, and what stands in them."""

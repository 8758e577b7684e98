"""Retouching by brush: regions of a result are taken from the plane that one looks at."""

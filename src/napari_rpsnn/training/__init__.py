"""Sharp pictures in, trained weights out."""

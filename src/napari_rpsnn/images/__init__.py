"""Arrays as pictures: which axes are what, windows of them, their range. NumPy alone."""

"""What is fused, of files: which make one result, what they are, and the result written. Shell and window share it."""

"""The commands of the shell: parse, call, print."""

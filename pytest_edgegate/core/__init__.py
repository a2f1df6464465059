"""The vocabulary of the gate: plain values, ports and errors. Standard library only."""

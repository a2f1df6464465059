"""What a run shows of its long work: a running clock on a terminal, lines of stages in a log."""

"""Which operators of a file a chip takes, by the rules of its target: no compiler is asked."""

"""Files that others made: opened if they are regular, bounded, parsed, with errors of ours."""

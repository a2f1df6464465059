"""What a session leaves behind: nothing. Its folder for scratch, and the programs that it runs."""

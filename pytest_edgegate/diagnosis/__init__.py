"""Red verdict -> diagnosis. Asked after judging; a green run computes nothing of this."""

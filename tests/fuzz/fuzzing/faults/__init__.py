"""What is done to a healthy file, by what the file is made of."""

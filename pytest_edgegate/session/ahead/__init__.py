"""What is known of a test before anything is built for it."""

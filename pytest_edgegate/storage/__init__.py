"""What is kept between runs: the content-addressed cache."""

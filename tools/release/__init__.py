"""What a release consists of, and the documentation's pictures."""

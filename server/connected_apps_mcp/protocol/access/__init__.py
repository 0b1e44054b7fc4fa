"""What each caller may ask for, and how often."""

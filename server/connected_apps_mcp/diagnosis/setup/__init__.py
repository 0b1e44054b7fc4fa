"""What is installed here, and how it is set up."""

"""What each operation of the sandbox does."""

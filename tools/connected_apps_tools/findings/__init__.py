"""What a review of apps finds."""

"""What an apply leaves behind until it is finished, and what is known of apps besides."""

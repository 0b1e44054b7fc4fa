"""What the sandbox stores."""

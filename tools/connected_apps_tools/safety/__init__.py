"""What protects apps: the policy, the questions to a person, and which changes are risky."""

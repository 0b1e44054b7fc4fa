"""What protects apps: the policy, the questions to a person, and the check for risky changes."""

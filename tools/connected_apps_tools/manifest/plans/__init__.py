"""What has to happen for a project to have the apps of a manifest."""

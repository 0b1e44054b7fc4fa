"""Apps as code: the tools that plan and apply a manifest."""

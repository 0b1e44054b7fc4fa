"""Apps as code: the commands that export, import, plan and apply a manifest."""

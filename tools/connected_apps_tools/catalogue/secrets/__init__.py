"""The tools for client secrets: rotating, checking, delivering and showing them."""

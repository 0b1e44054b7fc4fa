"""The sandbox as an OAuth and OIDC issuer: it lets people consent, and issues tokens."""

-- Works with servers from 1 on.

-- The audit log. A file is a number of lines that can be archived together.
CREATE TABLE connected_apps_mcp.audit_lines (
    seq bigint PRIMARY KEY,
    file integer NOT NULL,
    line text NOT NULL
);

CREATE INDEX ON connected_apps_mcp.audit_lines (file);

-- How far the audit log reaches.
CREATE TABLE connected_apps_mcp.audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    document text NOT NULL
);

CREATE FUNCTION connected_apps_mcp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'the audit log only grows';
END
$$;

-- These hold for the owner of the tables too, until he turns them off to archive lines.
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON connected_apps_mcp.audit_lines
FOR EACH STATEMENT EXECUTE FUNCTION connected_apps_mcp.refuse();

CREATE TRIGGER only_moves BEFORE DELETE OR TRUNCATE ON connected_apps_mcp.audit_head
FOR EACH STATEMENT EXECUTE FUNCTION connected_apps_mcp.refuse();

-- How much each caller has called: when all its room is free again. It may be lost in a crash.
CREATE UNLOGGED TABLE connected_apps_mcp.rates (
    name text NOT NULL,
    caller text NOT NULL,
    full_at timestamptz NOT NULL,
    PRIMARY KEY (name, caller)
);

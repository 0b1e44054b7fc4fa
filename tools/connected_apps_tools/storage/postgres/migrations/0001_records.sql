-- Works with servers from 1 on.

CREATE SCHEMA IF NOT EXISTS connected_apps_mcp;

CREATE TABLE connected_apps_mcp.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    works_from integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- The servers that run. One that was not seen for a while has ended.
CREATE TABLE connected_apps_mcp.processes (
    id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- Small texts that all servers share. A process may hold a record; if it ends, others see that.
CREATE TABLE connected_apps_mcp.records (
    kind text NOT NULL,
    name text NOT NULL,
    text text NOT NULL,
    owner uuid,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, name)
);

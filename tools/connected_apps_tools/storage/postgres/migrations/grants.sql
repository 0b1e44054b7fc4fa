-- What the role of the server may do. It owns no table, so it can neither change nor drop one.

DO $$
DECLARE
    server name := current_setting('connected_apps_mcp.server_role');
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA connected_apps_mcp TO %I', server);
    EXECUTE format('GRANT SELECT ON connected_apps_mcp.migrations TO %I', server);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE '
        'ON connected_apps_mcp.processes, connected_apps_mcp.records, connected_apps_mcp.rates '
        'TO %I', server
    );
    EXECUTE format('GRANT SELECT, INSERT ON connected_apps_mcp.audit_lines TO %I', server);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON connected_apps_mcp.audit_head TO %I', server);
END
$$;

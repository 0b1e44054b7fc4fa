"""The console: the page in a browser of this machine, for one person.

`session` lets the person in, `guards` keeps everybody else out, `routes` answers the page: `calls`
calls tools as an agent does, `approvals`, `audit_view` and `events` show what happens meanwhile.
"""

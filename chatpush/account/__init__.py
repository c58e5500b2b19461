"""Who pays, who may, who did: tenants, keys, people, usage, plans and the audit trail."""

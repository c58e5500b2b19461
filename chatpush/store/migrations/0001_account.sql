-- Tenants, keys, people and what they use.

CREATE TABLE vault_key (
    tenant TEXT NOT NULL,
    owner TEXT NOT NULL,
    key_id BYTES NOT NULL,
    wrapped BYTES NOT NULL,
    PRIMARY KEY (tenant, owner)
);

CREATE TABLE tenant (
    tenant TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    region TEXT NOT NULL DEFAULT 'home',
    plan TEXT NOT NULL DEFAULT 'trial',
    token_secret_sealed BYTES,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_key (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    hint TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX api_key_hash ON api_key (hash);

CREATE TABLE person (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    email_blind TEXT NOT NULL,
    email_sealed BYTES NOT NULL,
    name_sealed BYTES NOT NULL,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX person_email ON person (tenant, email_blind);

CREATE TABLE person_session (
    tenant TEXT NOT NULL,
    hash TEXT NOT NULL,
    person TEXT NOT NULL,
    csrf TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, hash)
);

CREATE TABLE usage_event (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    subject TEXT NOT NULL DEFAULT '',
    day TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX usage_event_day ON usage_event (tenant, day, kind);

CREATE TABLE audit_entry (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE idempotent_reply (
    tenant TEXT NOT NULL,
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status BIGINT,
    body TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, caller, key)
);

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
    plan_since_at BIGINT NOT NULL,
    token_secret_sealed BYTES NOT NULL,
    created_at BIGINT NOT NULL
);

-- The hash is looked up before the tenant is known: it is what tells the tenant.
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
CREATE UNIQUE INDEX person_session_hash ON person_session (hash);
CREATE INDEX person_session_person ON person_session (tenant, person);

-- One row for each account and each address that someone tries to sign in with.
CREATE TABLE sign_in_attempt (
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    since_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, subject)
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
CREATE INDEX usage_event_day ON usage_event (tenant, day, kind, quantity);

-- Days that are over, summed up; `through` is the last day that is.
CREATE TABLE usage_day (
    tenant TEXT NOT NULL,
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, kind)
);

CREATE TABLE usage_fold (
    tenant TEXT PRIMARY KEY,
    through TEXT NOT NULL
);

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

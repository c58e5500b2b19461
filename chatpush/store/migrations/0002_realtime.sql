-- Who may not connect, and which tokens hold no more.

CREATE TABLE realtime_block (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (tenant, user_id)
);

CREATE TABLE realtime_revoked_token (
    tenant TEXT NOT NULL,
    uid TEXT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (tenant, uid)
);

-- Tokens of a user that were issued before this moment hold no more.
CREATE TABLE realtime_invalidated (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    issued_before_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id)
);

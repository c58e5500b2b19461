-- Knowledge, conversations, promises, and what the language model has cost.

-- One row per tenant; grows with every change, so that every node notices.
CREATE TABLE knowledge_version (
    tenant TEXT PRIMARY KEY,
    version BIGINT NOT NULL
);

CREATE TABLE knowledge_article (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    language TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    version BIGINT NOT NULL,
    chunks BIGINT NOT NULL,
    head_sealed BYTES NOT NULL,
    body_sealed BYTES NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE knowledge_chunk (
    tenant TEXT NOT NULL,
    article TEXT NOT NULL,
    position BIGINT NOT NULL,
    content_sealed BYTES NOT NULL,
    PRIMARY KEY (tenant, article, position)
);

CREATE TABLE conversation (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    state TEXT NOT NULL,
    language TEXT NOT NULL,
    agent TEXT NOT NULL DEFAULT '',
    agent_name TEXT NOT NULL DEFAULT '',
    about_sealed BYTES,
    pending_sealed BYTES,
    summary_sealed BYTES,
    last_turn TEXT NOT NULL DEFAULT '',
    user_read TEXT NOT NULL DEFAULT '',
    agent_read TEXT NOT NULL DEFAULT '',
    waiting_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX conversation_user ON conversation (tenant, user_id, id);
CREATE INDEX conversation_state ON conversation (tenant, state, updated_at);

-- due = 1: a user's turn the assistant still has to answer; one answer each, whose id
-- (answer) is fixed once streaming begins, so that a restart goes on in the same place.
CREATE TABLE turn (
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    id TEXT NOT NULL,
    said_by TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    client_id TEXT,
    due BIGINT NOT NULL DEFAULT 0,
    answer TEXT,
    said_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, conversation, id)
);
CREATE UNIQUE INDEX turn_client ON turn (tenant, conversation, client_id);
CREATE INDEX turn_due ON turn (due, tenant, conversation) WHERE due = 1;

-- state: pending, kept, expired or cancelled.
CREATE TABLE promise (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    conversation TEXT NOT NULL,
    user_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    same TEXT NOT NULL,
    state TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    event TEXT,
    turn TEXT,
    until_at BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    settled_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX promise_same ON promise (tenant, user_id, same) WHERE state = 'pending';
CREATE INDEX promise_event ON promise (tenant, user_id, event_type, state);
CREATE INDEX promise_until ON promise (until_at) WHERE state = 'pending';

CREATE TABLE writer_usage (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    day TEXT NOT NULL,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id, day)
);

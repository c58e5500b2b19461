-- Webhooks out: whom to tell, what is to be told, and every attempt.

CREATE TABLE webhook (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    types TEXT NOT NULL,
    secrets_sealed BYTES NOT NULL,
    enabled BIGINT NOT NULL,
    problem TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- state: pending, delivered, failed. A claim moves due_at ahead.
CREATE TABLE webhook_call (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    webhook TEXT NOT NULL,
    type TEXT NOT NULL,
    body_sealed BYTES NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX webhook_call_due ON webhook_call (due_at) WHERE state = 'pending';
CREATE INDEX webhook_call_webhook ON webhook_call (tenant, webhook, id);

CREATE TABLE webhook_attempt (
    tenant TEXT NOT NULL,
    call TEXT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    status BIGINT,
    error TEXT NOT NULL,
    milliseconds BIGINT NOT NULL,
    PRIMARY KEY (tenant, call, number)
);

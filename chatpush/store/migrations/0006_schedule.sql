-- Campaigns, the slots they fired in, and the runs those started.

CREATE TABLE campaign (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    event_type TEXT NOT NULL DEFAULT '',
    definition_sealed BYTES NOT NULL,
    checked_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX campaign_state ON campaign (state, kind);
CREATE INDEX campaign_event ON campaign (tenant, event_type, state);

CREATE TABLE slot (
    tenant TEXT NOT NULL,
    campaign TEXT NOT NULL,
    slot TEXT NOT NULL,
    run TEXT NOT NULL,
    fired_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, campaign, slot)
);

CREATE TABLE run (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    campaign TEXT NOT NULL,
    slot TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    checkpoint TEXT NOT NULL DEFAULT '',
    users BIGINT NOT NULL DEFAULT 0,
    accepted BIGINT NOT NULL DEFAULT 0,
    failed BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    leased_until BIGINT NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, id)
);
CREATE INDEX run_campaign ON run (tenant, campaign, id);
CREATE INDEX run_state ON run (state, leased_until);

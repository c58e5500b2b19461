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
    next_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX campaign_next ON campaign (state, next_at);
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
    definition_sealed BYTES NOT NULL,
    due_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    checkpoint TEXT NOT NULL DEFAULT '',
    page_end TEXT NOT NULL DEFAULT '',
    page_last BIGINT NOT NULL DEFAULT 0,
    users BIGINT NOT NULL DEFAULT 0,
    accepted BIGINT NOT NULL DEFAULT 0,
    skipped BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    leased_by TEXT NOT NULL DEFAULT '',
    leased_until BIGINT NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, id)
);
CREATE INDEX run_campaign ON run (tenant, campaign, id);
CREATE INDEX run_state ON run (state, leased_until);

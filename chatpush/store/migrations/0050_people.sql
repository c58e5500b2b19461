-- People: teams and agents, which team a conversation is with, what users thought of it.

ALTER TABLE conversation ADD COLUMN team TEXT NOT NULL DEFAULT '';
ALTER TABLE conversation ADD COLUMN merged_into TEXT NOT NULL DEFAULT '';
ALTER TABLE conversation ADD COLUMN subject_sealed BYTES;
ALTER TABLE conversation ADD COLUMN contact_sealed BYTES;
-- When a person first got it, and when it last ended (closed, or given back by a person).
ALTER TABLE conversation ADD COLUMN handed_at BIGINT;
ALTER TABLE conversation ADD COLUMN ended_at BIGINT;

CREATE INDEX conversation_queue ON conversation (tenant, team, waiting_at) WHERE state = 'waiting';
CREATE INDEX conversation_agent ON conversation (tenant, agent) WHERE state = 'agent';

-- hours: zone, week and holidays as JSON. assignment: manual, round_robin or least_load.
CREATE TABLE team (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    skills TEXT NOT NULL,
    languages TEXT NOT NULL,
    hours TEXT NOT NULL,
    assignment TEXT NOT NULL,
    first_seconds BIGINT NOT NULL,
    next_seconds BIGINT NOT NULL,
    resolution_seconds BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- What a console person does as an agent. seen_at: when their console was last open.
CREATE TABLE agent (
    tenant TEXT NOT NULL,
    person TEXT NOT NULL,
    teams TEXT NOT NULL,
    skills TEXT NOT NULL,
    languages TEXT NOT NULL,
    capacity BIGINT NOT NULL,
    away BIGINT NOT NULL DEFAULT 0,
    seen_at BIGINT NOT NULL DEFAULT 0,
    assigned_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, person)
);

-- One for each time a conversation ended.
CREATE TABLE rating (
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    score BIGINT NOT NULL,
    comment_sealed BYTES,
    agent TEXT NOT NULL,
    team TEXT NOT NULL,
    rated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, conversation, ended_at)
);
CREATE INDEX rating_time ON rating (tenant, rated_at);
CREATE INDEX rating_user ON rating (tenant, user_id);

-- What the assistant learns from examples: trained heads, and questions that wait for a person's yes.

-- The linear head trained from a set of examples; the newest few are kept.
CREATE TABLE knowledge_head (
    tenant TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answers BIGINT NOT NULL,
    examples BIGINT NOT NULL,
    content_sealed BYTES NOT NULL,
    trained_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, fingerprint)
);

-- state: proposed, approved or rejected. same: the blinded question, so that none is proposed twice.
CREATE TABLE knowledge_candidate (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    same TEXT NOT NULL,
    conversation TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    proposed_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX knowledge_candidate_same ON knowledge_candidate (tenant, same);
CREATE INDEX knowledge_candidate_conversation ON knowledge_candidate (tenant, conversation);
CREATE INDEX knowledge_candidate_state ON knowledge_candidate (tenant, state, id);

-- How far the conversations of a tenant were looked through for candidates.
CREATE TABLE knowledge_mined (
    tenant TEXT NOT NULL,
    turn TEXT NOT NULL,
    PRIMARY KEY (tenant)
);

-- A tenant's own groups of words that mean the same.
CREATE TABLE knowledge_synonyms (
    tenant TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    PRIMARY KEY (tenant)
);

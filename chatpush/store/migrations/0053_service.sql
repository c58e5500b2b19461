-- How well it went, and what the assistant did and why.

CREATE INDEX conversation_created ON conversation (tenant, created_at);
CREATE INDEX promise_settled ON promise (tenant, settled_at) WHERE settled_at IS NOT NULL;

-- One for each answer of the assistant: hits, tools, model, tokens, decisions.
CREATE TABLE answer_trail (
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    turn TEXT NOT NULL,
    user_id TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, turn)
);
CREATE INDEX answer_trail_conversation ON answer_trail (tenant, conversation);
CREATE INDEX answer_trail_user ON answer_trail (tenant, user_id);
CREATE INDEX answer_trail_made ON answer_trail (made_at);

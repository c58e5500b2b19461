-- What a language model needs beside a question: what was spent, answers kept, memory, prompts of a tenant's own.

-- By model and UTC day; user_id '' is the whole tenant. micros: millionths of writer.currency.
CREATE TABLE writer_spend (
    tenant TEXT NOT NULL,
    day TEXT NOT NULL,
    user_id TEXT NOT NULL,
    model TEXT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, user_id, model)
);
CREATE INDEX writer_spend_user ON writer_spend (tenant, user_id);
INSERT INTO writer_spend (tenant, day, user_id, model, input_tokens, output_tokens, micros)
SELECT tenant, day, user_id, '', tokens, 0, 0 FROM writer_usage;
INSERT INTO writer_spend (tenant, day, user_id, model, input_tokens, output_tokens, micros)
SELECT tenant, day, '', '', SUM(tokens), 0, 0 FROM writer_usage GROUP BY tenant, day;
DROP TABLE writer_usage;

-- same: the blinded question with everything its answer depends on.
CREATE TABLE answer_cache (
    tenant TEXT NOT NULL,
    same TEXT NOT NULL,
    knowledge BIGINT NOT NULL,
    content_sealed BYTES NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, same)
);
CREATE INDEX answer_cache_made ON answer_cache (tenant, made_at);

-- The part of a long conversation that no longer fits into a question, told briefly, up to a turn.
CREATE TABLE conversation_memory (
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    user_id TEXT NOT NULL,
    upto TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    PRIMARY KEY (tenant, conversation)
);
CREATE INDEX conversation_memory_user ON conversation_memory (tenant, user_id);

-- A tenant's own prompts; the highest version serves unless it is empty, which means the built-in one.
CREATE TABLE prompt_version (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    source TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name, version)
);

-- What agents work with: tags, notes, canned answers, the words to search by, the clocks that run.

CREATE TABLE conversation_tag (
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (tenant, conversation, tag)
);
CREATE INDEX conversation_tag_tag ON conversation_tag (tenant, tag);

-- Private: agents only. Nothing that reaches a user reads this table.
CREATE TABLE conversation_note (
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    id TEXT NOT NULL,
    person TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    written_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, conversation, id)
);

CREATE TABLE canned_answer (
    tenant TEXT NOT NULL,
    shortcut TEXT NOT NULL,
    locales TEXT NOT NULL,
    used BIGINT NOT NULL DEFAULT 0,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, shortcut)
);

-- word: a keyed fingerprint, so that the index gives away no word.
CREATE TABLE conversation_word (
    tenant TEXT NOT NULL,
    word TEXT NOT NULL,
    conversation TEXT NOT NULL,
    PRIMARY KEY (tenant, word, conversation)
);
CREATE INDEX conversation_word_conversation ON conversation_word (tenant, conversation);

-- kind: first, next or resolution. met_at NULL: it still runs.
CREATE TABLE service_clock (
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    kind TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    team TEXT NOT NULL,
    agent TEXT NOT NULL DEFAULT '',
    warn_at BIGINT,
    due_at BIGINT,
    warned BIGINT NOT NULL DEFAULT 0,
    breached BIGINT NOT NULL DEFAULT 0,
    met_at BIGINT,
    PRIMARY KEY (tenant, conversation, kind, started_at)
);
CREATE INDEX service_clock_due ON service_clock (due_at) WHERE met_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX service_clock_started ON service_clock (tenant, started_at);

-- Mail of conversations on its way: transcripts, and answers to who left an address.

CREATE TABLE letter (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    conversation TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX letter_due ON letter (due_at);
CREATE INDEX letter_user ON letter (tenant, user_id);

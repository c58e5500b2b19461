-- Files that users send in conversations; turn is empty until it is sent with one.
CREATE TABLE attachment (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    conversation TEXT NOT NULL,
    user_id TEXT NOT NULL,
    turn TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL,
    size BIGINT NOT NULL,
    name_sealed BYTES NOT NULL,
    body_sealed BYTES NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX attachment_conversation ON attachment (tenant, conversation);
CREATE INDEX attachment_user ON attachment (tenant, user_id);
CREATE INDEX attachment_unsent ON attachment (created_at) WHERE turn = '';

-- What is still to be told to webhooks about deliveries and messages; ids and reasons, nothing personal.
-- user_id of a call is whose key seals its body, '' for the tenant's own.

CREATE TABLE happening (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    message TEXT NOT NULL,
    delivery TEXT NOT NULL,
    detail TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX happening_order ON happening (id);
ALTER TABLE webhook_call ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
CREATE INDEX webhook_call_user ON webhook_call (tenant, user_id) WHERE user_id <> '';

-- When a user's latest event of a type was, without the other events: segments ask it of everybody.

CREATE INDEX event_type ON event (tenant, user_id, type, at);

-- What nodes write to learn whether the database takes writes.

CREATE TABLE write_probe (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    noise BYTES NOT NULL,
    PRIMARY KEY (tenant, id)
);

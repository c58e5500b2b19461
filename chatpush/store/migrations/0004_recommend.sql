-- What can be recommended, what users did, and what still has to react to it.

CREATE TABLE item (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    price TEXT,
    currency TEXT NOT NULL,
    stock BIGINT,
    url TEXT NOT NULL,
    image TEXT NOT NULL,
    tags TEXT NOT NULL,
    attributes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX item_updated ON item (tenant, updated_at);

CREATE TABLE event (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    type TEXT NOT NULL,
    item TEXT,
    at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    properties_sealed BYTES,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX event_user ON event (tenant, user_id, at);
CREATE INDEX event_lasting ON event (tenant, user_id, at) WHERE type IN ('purchase', 'dismiss', 'mute');
CREATE INDEX event_at ON event (tenant, at);
CREATE INDEX event_received ON event (tenant, received_at, id);

CREATE TABLE reaction (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    event TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    leased_by TEXT NOT NULL DEFAULT '',
    parked_at BIGINT,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, id)
);
CREATE INDEX reaction_due ON reaction (parked_at, due_at, id);

CREATE TABLE model (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    serving BIGINT NOT NULL,
    method TEXT NOT NULL,
    events BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    report TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE exposure (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    item TEXT NOT NULL,
    place BIGINT NOT NULL,
    explored BIGINT NOT NULL,
    propensity DOUBLE PRECISION NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX exposure_user ON exposure (tenant, user_id, at);
CREATE INDEX exposure_at ON exposure (tenant, at);

CREATE TABLE item_change (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    item TEXT NOT NULL,
    kind TEXT NOT NULL,
    was TEXT NOT NULL,
    becomes TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX event_item ON event (tenant, item, at) WHERE item IS NOT NULL;

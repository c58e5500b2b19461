-- Users, templates, messages on their way, inboxes.

CREATE TABLE app_user (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    locale TEXT NOT NULL,
    timezone TEXT NOT NULL,
    attributes_sealed BYTES,
    consents TEXT NOT NULL,
    quiet_start TEXT,
    quiet_end TEXT,
    personalized BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX app_user_created ON app_user (tenant, created_at, id);

-- The ledger: who agreed to what, when and how. Rows are only ever added.
CREATE TABLE consent_entry (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    category TEXT NOT NULL,
    granted BIGINT NOT NULL,
    via TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX consent_entry_user ON consent_entry (tenant, user_id, id);

-- id is the blind index of the address, so the same address is one row.
CREATE TABLE endpoint (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    id TEXT NOT NULL,
    address_sealed BYTES NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id, channel, id)
);

CREATE TABLE topic (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE topic_member (
    tenant TEXT NOT NULL,
    topic TEXT NOT NULL,
    user_id TEXT NOT NULL,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, topic, user_id)
);
CREATE INDEX topic_member_user ON topic_member (tenant, user_id, topic);

CREATE TABLE segment (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    condition TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE template (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    category TEXT NOT NULL,
    source TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    trusted BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name, version)
);

-- draft_sealed is sealed with the key of owner: the one recipient, else '' (the tenant).
-- fan_out is write (each user gets a row) or read (see broadcast).
-- fanned_at is null while users remain after fan_cursor.
CREATE TABLE message (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    template TEXT NOT NULL,
    category TEXT NOT NULL,
    campaign TEXT NOT NULL,
    cancel_key TEXT NOT NULL,
    collapse_key TEXT NOT NULL,
    idempotency_key TEXT,
    fingerprint TEXT NOT NULL,
    owner TEXT NOT NULL,
    draft_sealed BYTES NOT NULL,
    fan_out TEXT NOT NULL,
    fan_cursor TEXT NOT NULL,
    accepted_at BIGINT NOT NULL,
    fanned_at BIGINT,
    cancelled_at BIGINT,
    recalling BIGINT NOT NULL,
    recall_cursor TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX message_idempotency ON message (tenant, idempotency_key);
CREATE INDEX message_cancel ON message (tenant, cancel_key) WHERE cancel_key <> '';
CREATE INDEX message_campaign ON message (tenant, campaign, id) WHERE campaign <> '';
CREATE INDEX message_recalling ON message (id) WHERE recalling = 1;
CREATE INDEX message_accepted ON message (accepted_at);
CREATE INDEX message_fanning ON message (id) WHERE fanned_at IS NULL;

-- pending = 1 while the outbox has something to do. A claim moves due_at ahead,
-- so the delivery comes due again should its worker die.
-- stage is the place in a chain of channels; left_channels those to be tried again, '' all.
-- settled_at: the content is in the inbox and counts for caps; published_at: pages have it.
CREATE TABLE delivery (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    message TEXT NOT NULL,
    user_id TEXT NOT NULL,
    category TEXT NOT NULL,
    campaign TEXT NOT NULL,
    collapse_key TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    pending BIGINT NOT NULL,
    priority_rank BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT,
    attempts BIGINT NOT NULL,
    claimed_by TEXT NOT NULL,
    shown_as TEXT NOT NULL,
    stage BIGINT NOT NULL,
    left_channels TEXT NOT NULL,
    topic TEXT NOT NULL,
    variant TEXT NOT NULL,
    digest_key TEXT NOT NULL,
    data_sealed BYTES,
    created_at BIGINT NOT NULL,
    settled_at BIGINT,
    published_at BIGINT,
    sent_at BIGINT,
    delivered_at BIGINT,
    seen_at BIGINT,
    clicked_at BIGINT,
    dismissed_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX delivery_once ON delivery (tenant, message, user_id);
CREATE INDEX delivery_due ON delivery (priority_rank, due_at) WHERE pending = 1;
CREATE INDEX delivery_digest ON delivery (tenant, user_id, digest_key) WHERE digest_key <> '' AND pending = 1;
CREATE INDEX delivery_created ON delivery (created_at) WHERE pending = 0;
CREATE INDEX delivery_campaign ON delivery (tenant, campaign, variant) WHERE variant <> '';
CREATE INDEX delivery_user ON delivery (tenant, user_id, category, settled_at);

-- delivery is the id shown to the user; latest is the one whose content it has now
-- (another one after a collapse_key replaced it on the screen).
-- A recalled item stays as a tombstone: deleted_at, and no content.
CREATE TABLE inbox_item (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    delivery TEXT NOT NULL,
    latest TEXT NOT NULL,
    message TEXT NOT NULL,
    collapse_key TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    at BIGINT NOT NULL,
    seen_at BIGINT,
    clicked_at BIGINT,
    dismissed_at BIGINT,
    deleted_at BIGINT,
    PRIMARY KEY (tenant, user_id, delivery)
);
CREATE INDEX inbox_item_collapse ON inbox_item (tenant, user_id, collapse_key) WHERE collapse_key <> '';
CREATE INDEX inbox_item_message ON inbox_item (tenant, message, user_id);

-- Why a delivery went the way it went.
CREATE TABLE trace_entry (
    tenant TEXT NOT NULL,
    delivery TEXT NOT NULL,
    id TEXT NOT NULL,
    step TEXT NOT NULL,
    verdict TEXT NOT NULL,
    detail TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, delivery, id)
);

-- A message that its many readers fetch (fan-out on read): no deliveries until a user comes.
-- topics is a JSON list, [] means everyone. seq orders what is open; null until opens_at.
CREATE TABLE broadcast (
    tenant TEXT NOT NULL,
    message TEXT NOT NULL,
    topics TEXT NOT NULL,
    opens_at BIGINT NOT NULL,
    closes_at BIGINT NOT NULL,
    seq BIGINT,
    PRIMARY KEY (tenant, message)
);
CREATE UNIQUE INDEX broadcast_seq ON broadcast (tenant, seq);
CREATE INDEX broadcast_unopened ON broadcast (opens_at) WHERE seq IS NULL;

CREATE TABLE broadcast_count (
    tenant TEXT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (tenant)
);

-- How far each user has read.
CREATE TABLE broadcast_reader (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id)
);

-- What a channel refused or was tried too often.
CREATE TABLE dead_letter (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    delivery TEXT NOT NULL,
    message TEXT NOT NULL,
    channel TEXT NOT NULL,
    stage BIGINT NOT NULL,
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    at BIGINT NOT NULL,
    redriven_at BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX dead_letter_message ON dead_letter (tenant, message, id);

-- What the deliveries gathered into one (holder) were about.
CREATE TABLE digest_item (
    tenant TEXT NOT NULL,
    holder TEXT NOT NULL,
    delivery TEXT NOT NULL,
    data_sealed BYTES NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, holder, delivery)
);

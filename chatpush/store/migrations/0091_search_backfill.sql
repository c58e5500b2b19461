-- What was said before the search index was there: how far a tenant's turns are indexed.
-- Turns are taken by conversation and id; upto is the last conversation there was when this began.
CREATE TABLE search_backfill (
    tenant TEXT NOT NULL PRIMARY KEY,
    conversation TEXT NOT NULL,
    turn TEXT NOT NULL,
    upto TEXT NOT NULL,
    indexed BIGINT NOT NULL,
    total BIGINT NOT NULL
);
INSERT INTO search_backfill (tenant, conversation, turn, upto, indexed, total)
    SELECT tenant, '', '', MAX(conversation), 0, COUNT(*) FROM turn GROUP BY tenant;

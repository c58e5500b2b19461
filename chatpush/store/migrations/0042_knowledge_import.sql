-- Sites that are read into the knowledge, their pages as they were last, and what articles were before.

-- state: running, done or failed.
CREATE TABLE knowledge_import (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    state TEXT NOT NULL,
    looked BIGINT NOT NULL,
    waiting BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    problems_sealed BYTES,
    error TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE knowledge_page (
    tenant TEXT NOT NULL,
    article TEXT NOT NULL,
    site TEXT NOT NULL,
    url TEXT NOT NULL,
    etag TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (tenant, article)
);
CREATE INDEX knowledge_page_site ON knowledge_page (tenant, site);

-- Sealed as knowledge_article seals it: the same bytes.
CREATE TABLE knowledge_past (
    tenant TEXT NOT NULL,
    article TEXT NOT NULL,
    version BIGINT NOT NULL,
    language TEXT NOT NULL,
    head_sealed BYTES NOT NULL,
    body_sealed BYTES NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, article, version)
);

-- Words for kinds of readers and items, those a model wrote beside the declared ones (arm: template, written).
-- Nothing in them is about a user: they name items by fields that are filled when they are used.
CREATE TABLE copy_text (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    cohort TEXT NOT NULL,
    locale TEXT NOT NULL,
    arm TEXT NOT NULL,
    texts TEXT NOT NULL,
    seen BIGINT NOT NULL,
    clicked BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX copy_text_cohort ON copy_text (tenant, cohort, id);

-- What a model took for words and analyses, by day: a cap that holds over restarts and nodes.
CREATE TABLE form_spend (
    tenant TEXT NOT NULL,
    day TEXT NOT NULL,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (tenant, day)
);

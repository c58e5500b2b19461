-- Vectors of an article's sections and questions, by the space (model) they live in; rebuilt when the article changes.
CREATE TABLE knowledge_vector (
    tenant TEXT NOT NULL,
    article TEXT NOT NULL,
    space TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    content_sealed BYTES NOT NULL,
    PRIMARY KEY (tenant, article, space)
);

-- What every training found, kept when the model itself is long gone.
CREATE TABLE model_history (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    method TEXT NOT NULL,
    events BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    recall DOUBLE PRECISION NOT NULL,
    ndcg DOUBLE PRECISION NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

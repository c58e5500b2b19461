-- What other systems have been told, so that nothing is told twice or forgotten.

-- Usage by day and kind: `pending` is the total being told now, `exported` the total they confirmed.
CREATE TABLE export_usage (
    tenant TEXT NOT NULL,
    exporter TEXT NOT NULL,
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    exported BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    PRIMARY KEY (tenant, exporter, day, kind)
);

CREATE TABLE export_cursor (
    tenant TEXT NOT NULL,
    exporter TEXT NOT NULL,
    source TEXT NOT NULL,
    position TEXT NOT NULL,
    PRIMARY KEY (tenant, exporter, source)
);

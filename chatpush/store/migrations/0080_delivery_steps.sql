-- Steps of deliveries that exporters have still to be told; ids and reasons, nothing personal.
-- Written only while an exporter takes them, and gone when all that do have them.

CREATE TABLE delivery_step (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    message TEXT NOT NULL,
    delivery TEXT NOT NULL,
    detail TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

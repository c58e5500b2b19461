-- Who leaves a digest is found by their own delivery.

CREATE INDEX digest_item_delivery ON digest_item (tenant, delivery);

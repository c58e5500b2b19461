-- Results are of campaigns without variants, too.

DROP INDEX delivery_campaign;
CREATE INDEX delivery_campaign ON delivery (tenant, campaign, variant) WHERE campaign <> '';

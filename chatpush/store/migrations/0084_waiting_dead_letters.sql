-- The dead letters that wait to be looked at, by their channels, however many were sent again.

CREATE INDEX dead_letter_waiting ON dead_letter (tenant, channel, id) WHERE redriven_at IS NULL;

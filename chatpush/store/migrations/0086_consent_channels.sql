-- A consent may be of one channel; '' is all of them.

ALTER TABLE consent_entry ADD COLUMN channel TEXT NOT NULL DEFAULT '';

-- What the user said of single channels, by category; '' nothing.
ALTER TABLE app_user ADD COLUMN channel_consents TEXT NOT NULL DEFAULT '';

-- Who said that a version's words are news although they read like advertising; '' nobody.

ALTER TABLE template ADD COLUMN reviewed_by TEXT NOT NULL DEFAULT '';

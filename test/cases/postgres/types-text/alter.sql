ADD COLUMN added text DEFAULT E'it''s \\ 🐬', ALTER v TYPE varchar(20), ALTER c TYPE char(8)

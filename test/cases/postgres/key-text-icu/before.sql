CREATE TABLE t (k text COLLATE "sv-x-icu" PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('a', 2),
  ('Å', 3),
  ('ä', 4),
  ('ö', 5),
  ('z', 6),
  ('aa', 7),
  ('A-b', 8),
  ('ab', 9);

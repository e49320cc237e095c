CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
CREATE TABLE t (k text COLLATE nd PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('a', 2),
  ('É', 3),
  ('c', 4),
  ('ö', 5),
  ('êx', 6),
  ('zz', 7),
  ('F', 8);

CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (k text COLLATE nd PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('a', 2),
  ('B', 3),
  ('c', 4),
  ('D', 5),
  ('e', 6),
  ('Straße', 7),
  ('F', 8);

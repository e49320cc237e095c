CREATE TABLE t (k text COLLATE "C" PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('a', 2),
  ('B', 3),
  ('_', 4),
  ('é', 5),
  ('🐬', 6),
  ('aa', 7),
  ('Z', 8);

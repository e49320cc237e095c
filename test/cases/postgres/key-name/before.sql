CREATE TABLE t (k name PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('a', 2),
  ('B', 3),
  ('abcd', 4),
  ('é', 5),
  ('🐬', 6),
  (' a', 7),
  (E'\\', 8);

CREATE TABLE t (k "char" PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('a', 1),
  ('B', 2),
  ('~', 3),
  (' ', 4),
  ('0', 5),
  ('''', 6);

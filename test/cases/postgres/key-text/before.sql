CREATE TABLE t (k text PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  (' ', 2),
  ('a', 3),
  ('A', 4),
  ('b', 5),
  (E'it''s \\ "x"', 6),
  (E'\n', 7),
  ('🐬', 8),
  ('é', 9),
  ('é', 10),
  ('a ', 11);

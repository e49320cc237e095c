CREATE TABLE t (k text[] PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('{}', 1),
  ('{a,b}', 2),
  ('{NULL}', 3),
  ('{"NULL"}', 4),
  (ARRAY['it''s', E'\\', '"'], 5),
  ('{""}', 6),
  ('{"a,b"}', 7);

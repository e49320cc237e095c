CREATE TABLE t (k tsvector PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('a', 2),
  ('a:1', 3),
  ('b:1A', 4),
  ('''it''''s''', 5),
  ('a b c', 6);

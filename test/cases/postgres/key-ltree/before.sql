CREATE EXTENSION ltree;
CREATE TABLE t (k ltree PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('Top', 2),
  ('Top.Science', 3),
  ('A.B', 4),
  ('z', 5),
  ('Top.a', 6);

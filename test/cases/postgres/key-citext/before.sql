CREATE EXTENSION citext;
CREATE TABLE t (k citext PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('a', 2),
  ('B', 3),
  ('c', 4),
  ('D', 5),
  ('e', 6),
  ('Z', 7),
  ('F', 8);

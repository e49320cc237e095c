CREATE DOMAIN short AS varchar(5) CHECK (VALUE <> 'bad');
CREATE TABLE t (k short PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('z', 2),
  ('it''s', 3),
  ('a', 4),
  ('b', 5),
  ('B', 6),
  ('A', 7);

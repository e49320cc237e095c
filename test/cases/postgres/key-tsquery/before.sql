CREATE TABLE t (k tsquery PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('d', 1),
  ('a', 2),
  ('a & b', 3),
  ('!a', 4),
  ('''it''''s'' | (a <-> b)', 5),
  ('a & (b | c) & !d', 6);

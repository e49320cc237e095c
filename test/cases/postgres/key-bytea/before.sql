CREATE TABLE t (k bytea PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('\x00', 2),
  ('\xff', 3),
  ('\x0000', 4),
  ('\x5c27', 5),
  ('\x27', 6),
  ('\x7f80', 7);

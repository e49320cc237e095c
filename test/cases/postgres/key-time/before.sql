CREATE TABLE t (k time PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('00:00', 1),
  ('24:00', 2),
  ('23:59:59.999999', 3),
  ('12:00', 4),
  ('00:00:00.000001', 5),
  ('01:02:03', 6);

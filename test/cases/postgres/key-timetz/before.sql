CREATE TABLE t (k timetz PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('00:00+00', 1),
  ('24:00-15:59', 2),
  ('23:59:59.999999+05:30', 3),
  ('12:00+00', 4),
  ('13:00+01', 5),
  ('01:02:03-03:30', 6);

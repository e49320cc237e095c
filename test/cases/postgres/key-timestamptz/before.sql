CREATE TABLE t (k timestamptz PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('infinity', 1),
  ('-infinity', 2),
  ('0001-01-01 00:00+00 BC', 3),
  ('294276-12-31 23:59:59.999999+00', 4),
  ('2024-10-27 02:30+02', 5),
  ('2024-10-27 02:30+01', 6),
  ('1883-11-18 12:03:58 America/New_York', 7);

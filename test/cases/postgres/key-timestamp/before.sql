CREATE TABLE t (k timestamp PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('infinity', 1),
  ('-infinity', 2),
  ('0001-01-01 BC', 3),
  ('294276-12-31 23:59:59.999999', 4),
  ('2024-10-27 02:30', 5),
  ('1970-01-01 00:00:00.000001', 6);

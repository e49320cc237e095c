CREATE TABLE t (k interval PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('0', 1),
  ('1 mon', 2),
  ('-1 year', 3),
  ('31 days', 4),
  ('24:00:00', 5),
  ('-00:00:00.000001', 6),
  ('1 year 2 mons 3 days 04:05:06.789', 7);

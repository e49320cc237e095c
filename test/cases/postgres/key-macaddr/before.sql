CREATE TABLE t (k macaddr PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('00:00:00:00:00:00', 1),
  ('ff:ff:ff:ff:ff:ff', 2),
  ('08:00:2b:01:02:03', 3),
  ('80:00:00:00:00:00', 4),
  ('7f:00:00:00:00:01', 5),
  ('00:00:00:00:00:01', 6);
